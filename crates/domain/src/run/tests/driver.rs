//! Drives a run by hand and checks the recovery after each step.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{
    AwaitStep, Command, Event, Outcome, Report, Run, RunContext, StartStep, StepAddress, TransitionError,
};
use crate::{
    document::Document,
    execution::TriggerType,
    id::{AgentId, ExecutionId, WorkflowStepId},
    plan::{Plan, StepBinding},
    step_run::{StepError, StepOutcome, StepRecord},
};

/// A step that runs an agent.
pub(super) fn agent(key: &str, depends_on: &[&str], inputs: Value) -> Value {
    json!({ "key": key, "type": "agent", "agent": "x", "depends_on": depends_on, "inputs": inputs })
}

pub(super) fn permanent(code: &str) -> StepError {
    StepError::permanent(code, "it broke")
}

pub(super) fn transient(code: &str) -> StepError {
    StepError::transient(code, "it broke for now")
}

/// A plan of a document that must be valid.
pub(super) fn plan_of(document: &Value) -> Arc<Plan> {
    let document = Document::parse(document).unwrap_or_else(|problems| panic!("{problems}"));
    let keys = document.steps.iter().map(|step| step.key.clone());
    let bindings: BTreeMap<_, _> = keys
        .zip(1_u128..)
        .map(|(key, n)| {
            let binding = StepBinding {
                workflow_step_id: WorkflowStepId::from_uuid(Uuid::from_u128(n)),
                agent_id: Some(AgentId::from_uuid(Uuid::from_u128(7))),
            };
            (key, binding)
        })
        .collect();
    Arc::new(Plan::compile(&document, &bindings).unwrap())
}

/// What of a run must be the same after a recovery.
pub(super) fn snapshot(run: &Run) -> impl PartialEq + std::fmt::Debug + use<> {
    let counts = (run.running, run.attempts, run.steps_completed, run.steps_failed);
    (run.frames.clone(), run.queue.clone(), counts, run.outcome.clone())
}

/// A run, its clock and all that it wanted so far.
pub(super) struct Driver {
    pub(super) run: Run,
    pub(super) now: DateTime<Utc>,
    pub(super) journal: Vec<StepRecord>,
    pub(super) starts: BTreeMap<String, StartStep>,
    pub(super) waits: BTreeMap<String, AwaitStep>,
    interrupted: Vec<String>,
    outcome: Option<Outcome>,
}

impl Driver {
    /// Starts a workflow of these steps, with the input `{"n": 1, "list": [1, 2, 3]}`.
    pub(super) fn start(steps: Value) -> Self {
        Self::of(json!({ "name": "w", "steps": steps }))
    }

    pub(super) fn of(document: Value) -> Self {
        Self::with_plan(plan_of(&document), json!({ "n": 1, "list": [1, 2, 3] }))
    }

    pub(super) fn with_plan(plan: Arc<Plan>, input: Value) -> Self {
        Self::started_by(plan, input, json!({}))
    }

    pub(super) fn started_by(plan: Arc<Plan>, input: Value, trigger_data: Value) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let context = RunContext {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(1)),
            input,
            trigger_type: TriggerType::Manual,
            trigger_data,
            started_at: now,
        };
        let (run, commands) = Run::start(plan, Arc::new(context));
        let mut driver = Self {
            run,
            now,
            journal: Vec::new(),
            starts: BTreeMap::new(),
            waits: BTreeMap::new(),
            interrupted: Vec::new(),
            outcome: None,
        };
        driver.take(commands);
        driver
    }

    fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            assert!(self.outcome.is_none(), "a command follows the end: {command:?}");
            match command {
                Command::Start(start) => drop(self.starts.insert(start.path.clone(), start)),
                Command::Wait(wait) => drop(self.waits.insert(wait.path.clone(), wait)),
                Command::Interrupt { step } => {
                    let path = self.starts.values().find(|start| start.step == step).map(|start| start.path.clone());
                    let path = path.or_else(|| self.waits.values().find(|w| w.step == step).map(|w| w.path.clone()));
                    let path = path.expect("only what was asked for is interrupted");
                    self.starts.remove(&path);
                    self.waits.remove(&path);
                    self.interrupted.push(path);
                }
                Command::Record(record) => self.journal.push(record),
                Command::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
        self.check_state();
        self.check_recovery();
    }

    /// The run counts what runs, and holds no frame of a container that has ended.
    fn check_state(&self) {
        if self.outcome.is_none() {
            assert_eq!(self.run.running as usize, self.starts.len(), "the places that are taken");
        }
        for (container, _) in self.run.frames.iter().flatten().filter_map(|frame| frame.parent) {
            let state = self.run.slot(container).map(|slot| &slot.state);
            assert!(state.is_some_and(|state| !state.has_ended()), "a frame outlived its container: {container:?}");
        }
    }

    /// Recovery from the whole journal, and from the facts alone, gives this run.
    fn check_recovery(&self) {
        let (plan, context) = (Arc::clone(self.run.plan()), Arc::clone(self.run.context()));
        let ended_from_outside = self.outcome.as_ref().and_then(|outcome| outcome.error.as_ref());
        if ended_from_outside.is_some_and(|error| error.origin.is_none()) {
            return;
        }
        let reversed: Vec<_> = self.journal.iter().rev().cloned().collect();
        let (recovered, commands) = Run::recover(Arc::clone(&plan), Arc::clone(&context), &reversed);
        assert_eq!(snapshot(&recovered), snapshot(&self.run), "recovered from the journal");
        let last = self.journal.iter().map(|record| record.seq).max();
        assert!(last.is_none_or(|last| recovered.next_seq > last), "a new record comes after all that are stored");
        assert!(!commands.iter().any(|command| matches!(command, Command::Record(_))), "nothing was missing");
        let starts = commands.iter().filter(|command| matches!(command, Command::Start(_))).count();
        assert_eq!(starts, self.starts.len(), "what runs is started again");

        let facts: Vec<_> = self.journal.iter().filter(|record| is_fact(record)).cloned().collect();
        let (recovered, commands) = Run::recover(plan, context, &facts);
        assert_eq!(snapshot(&recovered), snapshot(&self.run), "recovered from the facts alone");
        let missing = commands.iter().filter(|command| matches!(command, Command::Record(_))).count();
        assert_eq!(missing, self.journal.len() - facts.len(), "what follows from facts is recorded again");
    }

    pub(super) fn report(&mut self, report: Report) -> Result<bool, TransitionError> {
        let Some(event) = self.run.interpret(report, self.now)? else { return Ok(false) };
        self.starts.retain(|_, start| !is_about(&event, start.step));
        self.waits.retain(|_, wait| !is_about(&event, wait.step));
        self.apply(&event);
        Ok(true)
    }

    pub(super) fn try_apply(&mut self, event: &Event) -> Result<(), TransitionError> {
        let before = snapshot(&self.run);
        let refused = self.run.apply(event, self.now).map(drop);
        if refused.is_err() {
            assert!(before == snapshot(&self.run), "a refused event changes nothing");
        }
        refused
    }

    pub(super) fn apply(&mut self, event: &Event) {
        self.now += TimeDelta::milliseconds(1);
        let record = self.run.record(event, self.now);
        self.journal.extend(record);
        let commands = self.run.apply(event, self.now).expect("the event fits");
        self.take(commands);
    }

    pub(super) fn succeed(&mut self, path: &str, answer: Value) {
        let (step, attempt) = self.started_step(path);
        self.report(Report::Answered { step, attempt, answer }).unwrap();
    }

    pub(super) fn fail(&mut self, path: &str, error: StepError) {
        let (step, attempt) = self.started_step(path);
        self.report(Report::Failed { step, attempt, error }).unwrap();
    }

    fn started_step(&self, path: &str) -> (StepAddress, u16) {
        let start = self.starts.get(path).unwrap_or_else(|| panic!("{path} runs; these do: {:?}", self.started()));
        (start.step, start.attempt)
    }

    pub(super) fn started(&self) -> Vec<&str> {
        self.starts.keys().map(String::as_str).collect()
    }

    pub(super) fn inputs(&self, path: &str) -> Value {
        self.starts[path].inputs.clone()
    }

    pub(super) fn attempt(&self, path: &str) -> u16 {
        self.starts[path].attempt
    }

    pub(super) fn delay_ms(&self, path: &str) -> i64 {
        (self.starts[path].due - self.now).num_milliseconds()
    }

    pub(super) fn address(&self, path: &str) -> StepAddress {
        self.starts[path].step
    }

    pub(super) fn interrupted(&self) -> Vec<&str> {
        self.interrupted.iter().map(String::as_str).collect()
    }

    pub(super) fn records(&self, path: &str) -> Vec<&StepRecord> {
        self.journal.iter().filter(|record| record.path == path).collect()
    }

    /// How a step ended: `completed`, `failed`, or the reason why it was skipped.
    pub(super) fn ended(&self, path: &str) -> &'static str {
        match self.records(path).last().map(|record| &record.outcome) {
            Some(StepOutcome::Skipped(reason)) => reason.as_str(),
            Some(outcome) => outcome.status().as_str(),
            None => "open",
        }
    }

    pub(super) fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().expect("the run has ended")
    }

    pub(super) fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }
}

/// Whether a record holds what came from outside.
fn is_fact(record: &StepRecord) -> bool {
    record.agent_id.is_some()
        || matches!(&record.outcome, StepOutcome::Completed(_)) && record.path.contains("wait")
        || matches!(&record.outcome, StepOutcome::Failed(error) if error.code == "wait_timeout")
}

fn is_about(event: &Event, step: StepAddress) -> bool {
    match event {
        Event::StepSucceeded { step: about, .. } | Event::StepFailed { step: about, .. } => *about == step,
        _ => false,
    }
}
