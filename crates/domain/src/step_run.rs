//! The journal of an execution: one record an attempt of a step, in the order in which the run took
//! them in.
//!
//! The records are the truth about a run: [`Run::recover`](crate::run::Run::recover) rebuilds it
//! from them alone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    execution_log::StepStatus,
    id::{AgentId, ExecutionId, WorkflowStepId},
};

/// Why a step did not succeed, as users and retries see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct StepError {
    /// What kind of failure it was: `timeout`, `expression_failed`, `http_status`, … Stable, snake case.
    pub code: String,
    /// What went wrong and what to do about it, for a person.
    pub message: String,
    /// Whether another attempt may help.
    #[serde(default)]
    pub retryable: bool,
    /// The earliest next attempt that the other side asked for, in milliseconds (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The path of the step that failed first, when it is not the one that this error is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl StepError {
    /// A failure that another attempt cannot mend.
    #[must_use]
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retryable: false, retry_after_ms: None, origin: None }
    }

    /// A failure that may be gone at the next attempt.
    #[must_use]
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::permanent(code, message) }
    }
}

/// Why a step was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A condition took another branch.
    ConditionUnmet,
    /// The join rule can no longer hold, because of what its dependencies ended with.
    DependencySkipped,
    /// Its own `if` is false.
    IfFalse,
    /// The execution, or the container of the step, ended before the step did.
    Cancelled,
}

impl SkipReason {
    /// The text form, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConditionUnmet => "condition_unmet",
            Self::DependencySkipped => "dependency_skipped",
            Self::IfFalse => "if_false",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ConditionUnmet, Self::DependencySkipped, Self::IfFalse, Self::Cancelled]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// How an attempt of a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// It runs; written late, for steps that take long enough to be worth seeing.
    Running,
    /// It succeeded with this output.
    Completed(Value),
    /// It failed with this error (the last attempt, or one that is followed by another).
    Failed(StepError),
    /// It was not run, or not to its end.
    Skipped(SkipReason),
}

impl StepOutcome {
    /// The status as the specification's tables spell it.
    #[must_use]
    pub const fn status(&self) -> StepStatus {
        match self {
            Self::Running => StepStatus::Running,
            Self::Completed(_) => StepStatus::Completed,
            Self::Failed(_) => StepStatus::Failed,
            Self::Skipped(_) => StepStatus::Skipped,
        }
    }
}

/// One attempt of one step of one execution.
///
/// `(execution_id, path, attempt)` is its natural key: writing the same record twice is writing it
/// once, which is what makes a commit of unknown outcome safe to repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The address of the step in the run: `fetch`, `collect[3].fetch`, `fan.left.check`.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// The position in the run's own order of events. Unique in an execution, not always dense.
    pub seq: u32,
    /// How it stands.
    pub outcome: StepOutcome,
    /// When the attempt began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// The row of the step that it belongs to, for the execution's log.
    pub workflow_step_id: Option<WorkflowStepId>,
    /// The agent that ran, for its metrics; `None` for steps without one.
    pub agent_id: Option<AgentId>,
}
