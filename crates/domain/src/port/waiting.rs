//! Reads what waits: for people to decide, and for its time.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Page, PageRequest, Result};
use crate::{
    approval::WaitingApproval,
    document::Schedule,
    id::{ExecutionId, UserId, WorkflowId},
    schedule::{ScheduleState, Verdict},
    value::Email,
};

/// Which decisions a list shows: those that concern a user, as owner of the execution or as one who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// The user.
    pub user: UserId,
    /// The address of the user.
    pub email: Email,
    /// Only of this execution.
    pub execution: Option<ExecutionId>,
    /// Only of the step with this path.
    pub path: Option<String>,
}

/// Reads the decisions that executions wait for.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ApprovalQueries: Send + Sync {
    /// A page of what parked executions wait for, those of the newest executions first, and of one in the order of
    /// their paths. Its limit counts executions, so that none is cut. What was decided for good MUST NOT be there.
    async fn list(&self, filter: &ApprovalFilter, page: PageRequest) -> Result<Page<WaitingApproval>>;
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSchedule {
    /// The version of the workflow that it starts.
    pub workflow_id: WorkflowId,
    /// When that was published.
    pub created_at: DateTime<Utc>,
    /// Whose it is.
    pub user_id: UserId,
    /// The name of the workflow.
    pub name: String,
    /// When it starts it.
    pub schedule: Schedule,
    /// Where it stands.
    pub state: ScheduleState,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// What it started last.
    pub last_execution: Option<ExecutionId>,
}

/// What became of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTick {
    /// Its time, without jitter.
    pub scheduled_for: DateTime<Utc>,
    /// What became of it.
    pub verdict: Verdict,
    /// What it started, if it started something.
    pub execution: Option<ExecutionId>,
}

/// Reads schedules.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ScheduleQueries: Send + Sync {
    /// A page of the schedules that have not ended, of all or of one user, those of the newest versions first.
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<StoredSchedule>>;
    /// What became of the last ticks of a workflow, the newest first. They are kept for seven days.
    async fn ticks(&self, workflow: WorkflowId, limit: u16) -> Result<Vec<StoredTick>>;
}
