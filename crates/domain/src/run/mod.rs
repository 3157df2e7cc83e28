//! One execution of a workflow, as a state machine without I/O.
//!
//! The life of a step, from what it waits for to its end:
//!
//! | from | by | to |
//! |---|---|---|
//! | blocked | its join rule holds and its `if` is true | running, waiting, looping or forked; a condition ends at once |
//! | blocked | its join rule can no longer hold, its `if` is false, a condition took another branch | skipped |
//! | running | [`Event::StepSucceeded`] of this attempt | completed |
//! | running | [`Event::StepFailed`] of this attempt, retryable, attempts left | running, the next attempt, due later |
//! | running | [`Event::StepFailed`] otherwise | failed |
//! | waiting | the same two events, made of a timer or of signals by [`Run::interpret`] | completed, failed |
//! | looping, forked | its bodies have ended | completed, failed |
//! | any but an end | its body or the run ends first | skipped (`cancelled`) |
//!
//! What comes from outside is first *interpreted* ([`Run::interpret`]: a pure look at the run), then
//! journalled ([`Run::record`]), then applied ([`Run::apply`]). Because only journalled facts are applied, and
//! in the journal's order, [`Run::recover`] gives the run that was lost.
//!
//! # Invariants
//!
//! 1. A run ends exactly once, and no command follows its end.
//! 2. A refused event changes nothing.
//! 3. A step starts only when its dependencies have ended and its join rule holds.
//! 4. No more than `max_parallel_steps` agents run at once.
//! 5. Applying facts live, or recovering from their records, gives equal runs.

mod command;
mod container;
mod ending;
mod event;
mod frame;
mod interpret;
mod path;
mod recover;
mod scope;
#[cfg(test)]
mod tests;
mod transition;

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use self::{
    command::{AwaitStep, AwaitedEvent, Command, Outcome, StartStep},
    event::{Event, FrameId, Report, StepAddress, TransitionError},
};
use self::{frame::Frame, transition::Transition};
use crate::{execution::TriggerType, id::ExecutionId, plan::Plan, step_run::StepRecord};

/// What a run knows besides its plan: the facts of its execution.
#[derive(Debug, Clone, PartialEq)]
pub struct RunContext {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Its input.
    pub input: Value,
    /// How it was started.
    pub trigger_type: TriggerType,
    /// What started it.
    pub trigger_data: Value,
    /// When it was started, in the database's time.
    pub started_at: DateTime<Utc>,
}

/// An execution in the memory of the worker that owns it.
#[derive(Debug, Clone)]
pub struct Run {
    plan: Arc<Plan>,
    context: Arc<RunContext>,
    frames: Vec<Option<Box<Frame>>>,
    /// Agent steps that are ready and wait for one of `max_parallel_steps` places.
    queue: VecDeque<StepAddress>,
    running: u32,
    attempts: u32,
    steps_completed: u32,
    steps_failed: u32,
    next_seq: u32,
    outcome: Option<Outcome>,
}

impl Run {
    /// Starts a run and returns what must be done first.
    #[must_use]
    pub fn start(plan: Arc<Plan>, context: Arc<RunContext>) -> (Self, Vec<Command>) {
        let now = context.started_at;
        let mut run = Self {
            plan,
            context,
            frames: Vec::new(),
            queue: VecDeque::new(),
            running: 0,
            attempts: 0,
            steps_completed: 0,
            steps_failed: 0,
            next_seq: 0,
            outcome: None,
        };
        let mut transition = Transition::new(&mut run, now);
        transition.open_root();
        let commands = transition.settle();
        (run, commands)
    }

    /// Applies a fact and returns what must be done next. `now` is the time that the fact was recorded with
    /// ([`Run::record`]), so that a recovery computes the same.
    ///
    /// # Errors
    ///
    /// A [`TransitionError`], and the run is as it was, if the fact does not fit.
    pub fn apply(&mut self, event: &Event, now: DateTime<Utc>) -> Result<Vec<Command>, TransitionError> {
        if self.outcome.is_some() {
            return Err(TransitionError::Ended);
        }
        if let Event::StepSucceeded { step, attempt, .. } | Event::StepFailed { step, attempt, .. } = event {
            self.expect_active(*step, *attempt)?;
        }
        let mut transition = Transition::new(self, now);
        match event {
            Event::StepSucceeded { step, output, .. } => transition.succeeded(*step, Arc::clone(output)),
            Event::StepFailed { step, attempt, error } => transition.failed(*step, *attempt, error),
            Event::CancelRequested => transition.cancelled(),
            Event::DeadlinePassed => transition.timed_out(),
            Event::Aborted { error } => transition.aborted(error.clone()),
        }
        Ok(transition.settle())
    }

    /// Whether an attempt that was to be started still is: what the run took in since may have ended its step.
    #[must_use]
    pub fn wants(&self, step: StepAddress, attempt: u16) -> bool {
        self.outcome.is_none() && self.expect_active(step, attempt).is_ok()
    }

    /// How the run ended; `None` while it goes on.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The plan that it follows.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The facts of its execution.
    #[must_use]
    pub const fn context(&self) -> &Arc<RunContext> {
        &self.context
    }

    /// The command that starts an attempt once more, which has not come to an end: it waits for what is not its own, a
    /// budget, until then. `None` if the run does not want the attempt.
    #[must_use]
    pub fn start_again(&self, step: StepAddress, attempt: u16, due: DateTime<Utc>) -> Option<StartStep> {
        if !self.wants(step, attempt) {
            return None;
        }
        self.start_command(step, attempt, due).ok()
    }

    /// What is started or waited for and has not ended, as the commands that asked for it.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Command> {
        let ids = (0..).map(FrameId).take(self.frames.len());
        ids.flat_map(|id| self.outstanding_in(id)).collect()
    }

    /// Makes the journal's record of a fact that is about to be applied; `None` for facts about the whole run,
    /// which are stored with its end.
    #[must_use]
    pub fn record(&mut self, event: &Event, now: DateTime<Utc>) -> Option<StepRecord> {
        let record = self.record_of(event, now)?;
        self.next_seq += 1;
        Some(record)
    }

    /// Makes the record that tells others that a step is running. It needs no place in the order of facts.
    #[must_use]
    pub fn running_record(&self, step: StepAddress) -> Option<StepRecord> {
        self.running_record_of(step)
    }
}
