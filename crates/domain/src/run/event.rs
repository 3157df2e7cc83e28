//! What happens to a run: reports from outside, and the durable facts that are made of them.

use std::sync::Arc;

use serde_json::Value;

use crate::{plan::StepIndex, step_run::StepError};

/// Where a body runs: the root, one round of a loop, one branch. Never used again in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub(crate) u32);

/// One step in one frame: what an event is about. Valid in the memory of one [`Run`](super::Run) only; what
/// is stored is the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepAddress {
    /// Where it runs.
    pub frame: FrameId,
    /// Which step of the plan it is.
    pub step: StepIndex,
}

/// What the outside says about a step, before the rules have looked at it.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// An agent answered.
    Answered {
        /// The step.
        step: StepAddress,
        /// The attempt that answered.
        attempt: u16,
        /// What it said.
        answer: Value,
    },
    /// An agent failed, or could not be run.
    Failed {
        /// The step.
        step: StepAddress,
        /// The attempt that failed.
        attempt: u16,
        /// Why.
        error: StepError,
    },
    /// The time of a wait has come.
    TimerFired {
        /// The step.
        step: StepAddress,
    },
    /// Events have arrived that a wait may be waiting for: all that were received since it began (or since its
    /// look-back), oldest first.
    Signalled {
        /// The step.
        step: StepAddress,
        /// The events' payloads.
        payloads: Vec<Value>,
    },
}

/// A fact about a run. Facts about steps are journalled before they are applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A step has its output.
    StepSucceeded {
        /// The step.
        step: StepAddress,
        /// The attempt.
        attempt: u16,
        /// What is kept of the answer.
        output: Arc<Value>,
    },
    /// An attempt failed.
    StepFailed {
        /// The step.
        step: StepAddress,
        /// The attempt.
        attempt: u16,
        /// Why.
        error: StepError,
    },
    /// Somebody wants the run to end.
    CancelRequested,
    /// The run took longer than it may.
    DeadlinePassed,
    /// The run cannot go on: it killed its workers too often, or its workflow cannot be loaded.
    Aborted {
        /// Why.
        error: StepError,
    },
}

/// Why an event was refused. The run is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The run has ended.
    #[error("the run has ended")]
    Ended,
    /// It is late or a repetition: the step has moved on since.
    #[error("the step has moved on")]
    Stale,
    /// The time of the wait has not come.
    #[error("the timer is not due")]
    Early,
    /// It cannot be meant for this run: a bug.
    #[error("the run has no such step")]
    Unknown,
}
