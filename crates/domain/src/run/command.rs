//! What a run wants done.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::event::StepAddress;
use crate::{
    execution::ExecutionStatus,
    id::AgentId,
    step_run::{StepError, StepRecord},
};

/// What must be done next, as data.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run an agent.
    Start(StartStep),
    /// Report when the time has come or an event has arrived.
    Wait(AwaitStep),
    /// Stop what was started (or waited for): its result is not wanted any more.
    Interrupt {
        /// The step.
        step: StepAddress,
    },
    /// Journal the end of a step that had no side effect. Nothing waits for it: it is a function of facts that
    /// are durable already.
    Record(StepRecord),
    /// The run has ended; no command follows.
    Finish(Outcome),
}

/// An attempt of an agent step.
#[derive(Debug, Clone, PartialEq)]
pub struct StartStep {
    /// The step.
    pub step: StepAddress,
    /// Its path.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// The agent.
    pub agent_id: AgentId,
    /// The evaluated inputs, the same for each attempt.
    pub inputs: Value,
    /// How long the step lets it take.
    pub timeout_ms: u64,
    /// Not before; in the past for a first attempt.
    pub due: DateTime<Utc>,
}

/// A wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitStep {
    /// The step.
    pub step: StepAddress,
    /// Its path.
    pub path: String,
    /// When its timer fires; `None` for an event that may take for ever.
    pub until: Option<DateTime<Utc>>,
    /// The event that ends it.
    pub event: Option<AwaitedEvent>,
}

/// The events that may end a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedEvent {
    /// Their name; approvals have the name [`AwaitedEvent::APPROVAL`] and are sent to the step alone.
    pub name: String,
    /// They count when they were received no earlier.
    pub since: DateTime<Utc>,
}

impl AwaitedEvent {
    /// The name of the event that decides an approval.
    pub const APPROVAL: &'static str = "approval";
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// A terminal status.
    pub status: ExecutionStatus,
    /// The output; null unless it completed.
    pub output: Value,
    /// Why it did not complete.
    pub error: Option<StepError>,
    /// Steps of the workflow that completed; a container counts as one.
    pub steps_completed: u32,
    /// Steps of the workflow that failed, whether or not that was decisive.
    pub steps_failed: u32,
}
