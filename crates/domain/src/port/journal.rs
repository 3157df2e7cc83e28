//! The journal: what a worker learned, committed in batches under its lease.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Result;
use crate::{
    execution::ExecutionStatus,
    execution_log::ExecutionLog,
    id::{ExecutionId, WorkerId, WorkflowId},
    step_run::{StepError, StepRecord},
};

/// The end of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedExecution {
    /// The execution.
    pub id: ExecutionId,
    /// The version that it ran, for its metrics.
    pub workflow_id: WorkflowId,
    /// A terminal status.
    pub status: ExecutionStatus,
    /// Its output; null unless it completed.
    pub output: Value,
    /// Why it did not complete.
    pub error: Option<StepError>,
    /// Steps that completed.
    pub steps_completed: u32,
    /// Steps that failed.
    pub steps_failed: u32,
    /// When it began, for its duration.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
    /// The execution and the path of the step that it is a child of: its parent is woken.
    pub parent: Option<(ExecutionId, String)>,
}

/// A wait that another process may have to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRecord {
    /// The path of the waiting step.
    pub path: String,
    /// The name of the event; an approval waits for `approval`.
    pub event_name: String,
    /// An event that was received no earlier than this counts.
    pub since: DateTime<Utc>,
}

/// An execution that only waits, and leaves its worker's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedExecution {
    /// The execution.
    pub id: ExecutionId,
    /// When it must be looked at again at the latest; mail that came in meanwhile makes that now.
    pub wake_at: DateTime<Utc>,
    /// The events that it waits for. One of them that its user sent and that is there already makes `wake_at` now.
    pub waits: Vec<WaitRecord>,
}

/// What a worker commits at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalBatch {
    /// Attempts of steps: journal row, and (for those that ended) a line of the execution's log and the
    /// agent's metrics.
    pub records: Vec<StepRecord>,
    /// Executions that ended: status, output, and the workflow's metrics.
    pub finished: Vec<FinishedExecution>,
    /// Executions that are handed back until something happens.
    pub parked: Vec<ParkedExecution>,
}

impl JournalBatch {
    /// Whether there is nothing to commit.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.finished.is_empty() && self.parked.is_empty()
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is durable, all of it.
    Committed,
    /// The worker is marked dead, and nothing was written: drop everything and stop.
    Fenced,
}

/// Commits what workers learned.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Journal: Send + Sync {
    /// Commits a batch, all of it or nothing.
    ///
    /// MUST write nothing for a worker that is marked dead. MUST be repeatable: a batch whose outcome is
    /// unknown is sent again as it is, and what stands already is left as it is (a `running` record gives
    /// way to the end of the same attempt). MUST leave an execution that the worker does not own, or that
    /// has ended, as it is.
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome>;
}

/// Takes the lines that agents print: less urgent than the journal, in batches and on a connection of their own.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait LogWriter: Send + Sync {
    /// Appends lines, all of them or none; lines of an execution that is gone are dropped.
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()>;
}

/// The metrics that are columns of workflows and agents, rolled up from facts that were committed with the
/// executions.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait CounterRepository: Send + Sync {
    /// Folds what was appended since the last time into the metrics, in the order of the rows' ids. Returns how
    /// many facts it folded. MUST count each fact once, whoever folds and whatever crashes.
    async fn fold(&self) -> Result<u64>;
}
