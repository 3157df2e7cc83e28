//! How a run goes from one state to the next: one event in, all that follows from it out.
//!
//! What follows is kept as a list of tasks rather than as recursion, so that a loop of a hundred thousand
//! rounds needs no stack.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    Run,
    command::{Command, StartStep},
    event::{FrameId, StepAddress},
    frame::{Frame, StepState},
    scope::FrameScope,
};
use crate::{
    execution::ExecutionStatus,
    expression::ExpressionError,
    limits,
    plan::{Action, AgentAction, BodyIndex, ConditionTest, Plan},
    step_run::{SkipReason, StepError, StepOutcome},
    workflow_step::JoinRule,
};

/// How a step ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    Completed(Arc<Value>),
    Failed(StepError),
    Skipped(SkipReason),
}

/// What is left to do in a transition.
enum Task {
    /// A step may have become ready, or out of reach.
    Consider(StepAddress),
    /// All steps of a frame have ended.
    Close(FrameId),
}

/// Whether a step may run, given how its dependencies ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pending,
    Ready,
    OutOfReach,
}

/// A run on its way from one state to the next.
pub(super) struct Transition<'a> {
    pub(super) run: &'a mut Run,
    pub(super) plan: Arc<Plan>,
    pub(super) now: DateTime<Utc>,
    pub(super) commands: Vec<Command>,
    agenda: VecDeque<Task>,
}

impl<'a> Transition<'a> {
    pub(super) fn new(run: &'a mut Run, now: DateTime<Utc>) -> Self {
        let plan = Arc::clone(&run.plan);
        Self { run, plan, now, commands: Vec::new(), agenda: VecDeque::new() }
    }

    pub(super) fn open_root(&mut self) {
        self.open(BodyIndex::ROOT, None, None);
    }

    /// A step's output is durable.
    pub(super) fn succeeded(&mut self, step: StepAddress, output: Arc<Value>) {
        self.release(step);
        self.end(step, Ending::Completed(output), true);
    }

    /// An attempt's failure is durable: the next attempt, or the end of the step.
    pub(super) fn failed(&mut self, step: StepAddress, attempt: u16, error: &StepError) {
        if let Action::Agent(agent) = &self.plan.step(step.step).action
            && error.retryable
            && attempt <= agent.retry.retries
        {
            let spread = spread(&self.run.path(step), self.run.context.execution_id.as_uuid().as_u128(), attempt);
            let delay_ms = agent.retry.delay_ms(attempt, spread, error.retry_after_ms);
            let due = self.now + TimeDelta::milliseconds(i64::try_from(delay_ms).unwrap_or(i64::MAX));
            self.attempt(step, attempt + 1, due);
            return;
        }
        self.release(step);
        self.end(step, Ending::Failed(error.clone()), true);
    }

    pub(super) fn cancelled(&mut self) {
        let error = StepError::permanent("cancelled", "the execution was cancelled");
        self.stop(ExecutionStatus::Cancelled, error);
    }

    pub(super) fn timed_out(&mut self) {
        let limit = self.plan.settings().timeout_ms;
        let error = StepError::permanent("timeout", format!("the execution took longer than {limit} ms"));
        self.stop(ExecutionStatus::Timeout, error);
    }

    pub(super) fn aborted(&mut self, error: StepError) {
        self.stop(ExecutionStatus::Failed, error);
    }

    /// Does all that is left to do and returns the commands.
    pub(super) fn settle(mut self) -> Vec<Command> {
        loop {
            while self.run.outcome.is_none()
                && let Some(task) = self.agenda.pop_front()
            {
                match task {
                    Task::Consider(step) => self.consider(step),
                    Task::Close(frame) => self.close(frame),
                }
            }
            if self.run.outcome.is_some() || !self.dispatch() {
                return self.commands;
            }
        }
    }

    /// Lets a body run.
    pub(super) fn open(&mut self, body: BodyIndex, parent: Option<(StepAddress, u32)>, item: Option<Value>) -> FrameId {
        let id = FrameId(u32::try_from(self.run.frames.len()).unwrap_or(u32::MAX));
        let frame = Frame::new(&self.plan, body, parent, item);
        let free = self.plan.body(body).steps.iter().zip(&frame.steps);
        let ready = free.filter(|(_, slot)| slot.dependencies_open == 0).map(|(&step, _)| step);
        self.agenda.extend(ready.map(|step| Task::Consider(StepAddress { frame: id, step })));
        if frame.open == 0 {
            self.agenda.push_back(Task::Close(id));
        }
        self.run.frames.push(Some(Box::new(frame)));
        id
    }

    /// Starts or skips a step whose dependencies allow either.
    fn consider(&mut self, step: StepAddress) {
        let Some(slot) = self.run.slot(step) else { return };
        if slot.state != StepState::Blocked {
            return;
        }
        let planned = self.plan.step(step.step);
        let verdict = if slot.excluded { Verdict::OutOfReach } else { verdict(planned.join, slot) };
        let reason = if slot.excluded { SkipReason::ConditionUnmet } else { SkipReason::DependencySkipped };
        match verdict {
            Verdict::Pending => return,
            Verdict::OutOfReach => return self.end(step, Ending::Skipped(reason), false),
            Verdict::Ready => {}
        }
        let guard = planned.guard.as_ref().map(|guard| guard.evaluate_bool(&FrameScope::new(self.run, step.frame)));
        match guard {
            None | Some(Ok(true)) => self.begin(step),
            Some(Ok(false)) => self.end(step, Ending::Skipped(SkipReason::IfFalse), false),
            Some(Err(error)) => self.end(step, Ending::Failed(expression_error("if", &error)), false),
        }
    }

    /// Lets a ready step do what it does.
    fn begin(&mut self, step: StepAddress) {
        let now = self.now;
        if let Some(slot) = self.run.slot_mut(step) {
            slot.started_at = Some(now);
            slot.state = StepState::Queued;
        }
        let plan = Arc::clone(&self.plan);
        match &plan.step(step.step).action {
            Action::Agent(_) => self.run.queue.push_back(step),
            Action::Condition(action) => {
                let scope = FrameScope::new(self.run, step.frame);
                let branch = match &action.test {
                    ConditionTest::If(test) => {
                        test.evaluate_bool(&scope).map(|met| if met { "then" } else { "else" }.to_owned())
                    }
                    ConditionTest::Switch(value) => value.evaluate(&scope).map(|value| case_of(&value)),
                };
                match branch {
                    Ok(name) => self.take_branch(step, &action.branches, name),
                    Err(error) => self.end(step, Ending::Failed(expression_error("config", &error)), false),
                }
            }
            Action::Loop(action) => self.begin_loop(step, action),
            Action::Parallel(action) => self.begin_fork(step, action),
            Action::Wait(action) => self.begin_wait(step, action),
        }
    }

    /// Excludes the steps that only other branches name.
    fn take_branch(
        &mut self,
        condition: StepAddress,
        branches: &[(String, Vec<crate::plan::StepIndex>)],
        name: String,
    ) {
        let name = if branches.iter().any(|(branch, _)| *branch == name) { name } else { fallback(branches, name) };
        let taken: Vec<_> =
            branches.iter().filter(|(branch, _)| *branch == name).flat_map(|(_, steps)| steps).collect();
        for step in branches.iter().flat_map(|(_, steps)| steps).filter(|step| !taken.contains(step)) {
            if let Some(slot) = self.run.slot_mut(StepAddress { frame: condition.frame, step: *step }) {
                slot.excluded = true;
            }
        }
        let output = serde_json::json!({ "branch": name });
        self.end(condition, Ending::Completed(Arc::new(output)), false);
    }

    /// Starts queued agent steps while there are places. Returns whether that made anything else to do.
    fn dispatch(&mut self) -> bool {
        while self.run.running < self.plan.settings().max_parallel_steps.max(1)
            && let Some(step) = self.run.queue.pop_front()
        {
            if self.run.slot(step).is_some_and(|slot| slot.state == StepState::Queued) {
                self.run.running += 1;
                self.attempt(step, 1, self.now);
                if !self.agenda.is_empty() || self.run.outcome.is_some() {
                    return true;
                }
            }
        }
        false
    }

    /// Starts an attempt of an agent step that has a place.
    fn attempt(&mut self, step: StepAddress, attempt: u16, due: DateTime<Utc>) {
        if self.run.attempts >= limits::STEP_ATTEMPTS_DEFAULT {
            let message = format!("the execution made {} attempts of steps, the most that it may", self.run.attempts);
            return self.stop(ExecutionStatus::Failed, StepError::permanent("budget_exhausted", message));
        }
        self.run.attempts += 1;
        if let Some(slot) = self.run.slot_mut(step) {
            slot.state = StepState::Running { attempt, due };
        }
        match self.run.start_command(step, attempt, due) {
            Ok(start) => self.commands.push(Command::Start(start)),
            Err(error) => {
                self.release(step);
                self.end(step, Ending::Failed(error), false);
            }
        }
    }

    /// Gives an agent step's place back.
    pub(super) fn release(&mut self, step: StepAddress) {
        if matches!(self.run.slot(step).map(|slot| &slot.state), Some(StepState::Running { .. })) {
            self.run.running = self.run.running.saturating_sub(1);
        }
    }

    /// Ends a step and lets what waits for it look again. `journalled` is whether the end was a fact that came
    /// in, and not one that follows from others.
    pub(super) fn end(&mut self, step: StepAddress, ending: Ending, journalled: bool) {
        let planned_continues = self.plan.step(step.step).continue_on_error;
        if !journalled {
            self.record(step, &ending);
        }
        let (state, failure) = match ending {
            Ending::Completed(output) => (StepState::Completed(output), None),
            Ending::Skipped(reason) => (StepState::Skipped(reason), None),
            Ending::Failed(error) => (StepState::Failed(Arc::new(error_value(&error))), Some(error)),
        };
        self.count(step, &state);
        let skipped = matches!(state, StepState::Skipped(_));
        let Some(frame) = self.run.frame_mut(step.frame) else { return };
        frame.open -= 1;
        let open = frame.open;
        if let Some(slot) = self.run.slot_mut(step) {
            slot.state = state;
        }
        if let Some(error) = failure
            && !planned_continues
        {
            let origin = error.origin.clone().unwrap_or_else(|| self.run.path(step));
            return self.fail(step.frame, StepError { origin: Some(origin), ..error });
        }
        self.notify(step, skipped);
        if open == 0 {
            self.agenda.push_back(Task::Close(step.frame));
        }
    }

    fn notify(&mut self, step: StepAddress, skipped: bool) {
        let plan = Arc::clone(&self.plan);
        for &dependent in &plan.step(step.step).dependents {
            let dependent = StepAddress { frame: step.frame, step: dependent };
            if let Some(slot) = self.run.slot_mut(dependent) {
                slot.dependencies_open -= 1;
                if skipped {
                    slot.dependencies_skipped += 1;
                } else {
                    slot.dependencies_completed += 1;
                }
                self.agenda.push_back(Task::Consider(dependent));
            }
        }
    }

    fn count(&mut self, step: StepAddress, state: &StepState) {
        if self.plan.step(step.step).body == BodyIndex::ROOT {
            self.run.steps_completed += u32::from(matches!(state, StepState::Completed(_)));
            self.run.steps_failed += u32::from(matches!(state, StepState::Failed(_)));
        }
    }

    /// Journals an end that follows from facts.
    pub(super) fn record(&mut self, step: StepAddress, ending: &Ending) {
        let outcome = match ending {
            Ending::Completed(output) => StepOutcome::Completed(Value::clone(output)),
            Ending::Failed(error) => StepOutcome::Failed(error.clone()),
            Ending::Skipped(reason) => StepOutcome::Skipped(*reason),
        };
        let record = self.run.derived_record(step, outcome, self.now);
        self.commands.push(Command::Record(record));
    }
}

impl Run {
    /// The command that starts an attempt.
    pub(super) fn start_command(
        &self,
        step: StepAddress,
        attempt: u16,
        due: DateTime<Utc>,
    ) -> Result<StartStep, StepError> {
        let Action::Agent(AgentAction { agent_id, inputs, timeout_ms, .. }) = &self.plan.step(step.step).action else {
            return Err(StepError::permanent("internal", "only agents are started"));
        };
        let inputs =
            inputs.evaluate(&FrameScope::new(self, step.frame)).map_err(|error| expression_error("inputs", &error))?;
        if !inputs.is_object() {
            let message = "`inputs` is an expression that must give an object, and it gives something else";
            return Err(StepError::permanent("input_invalid", message));
        }
        let path = self.path(step);
        Ok(StartStep { step, path, attempt, agent_id: *agent_id, inputs, timeout_ms: *timeout_ms, due })
    }
}

/// Whether a step may run.
fn verdict(join: JoinRule, slot: &super::frame::StepSlot) -> Verdict {
    let (open, completed, skipped) = (slot.dependencies_open, slot.dependencies_completed, slot.dependencies_skipped);
    let free = open + completed + skipped == 0;
    match join {
        JoinRule::AllSuccess if skipped > 0 => Verdict::OutOfReach,
        _ if open > 0 => Verdict::Pending,
        JoinRule::OneSuccess | JoinRule::NoneFailed if completed == 0 && !free => Verdict::OutOfReach,
        _ => Verdict::Ready,
    }
}

/// The name of the branch that a switch's value takes: text as it is, anything else as JSON.
fn case_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where a value goes that no branch has the name of: `default`, if there is one.
fn fallback(branches: &[(String, Vec<crate::plan::StepIndex>)], name: String) -> String {
    if branches.iter().any(|(branch, _)| branch == "default") { "default".to_owned() } else { name }
}

/// An expression's failure as a step's.
pub(super) fn expression_error(place: &str, error: &ExpressionError) -> StepError {
    StepError::permanent(error.code, format!("{place}: {}", error.message))
}

/// An error as expressions see it.
fn error_value(error: &StepError) -> Value {
    serde_json::json!({ "code": error.code, "message": error.message, "origin": error.origin })
}

/// Where in the jitter window an attempt falls: a hash (FNV-1a) of what names the attempt, so that it is the
/// same after a recovery and different for its neighbours.
fn spread(path: &str, execution: u128, attempt: u16) -> u16 {
    let bytes = execution.to_le_bytes().into_iter().chain(path.bytes()).chain(attempt.to_le_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u16::try_from((hash >> 24) & 0xffff).unwrap_or(u16::MAX)
}
