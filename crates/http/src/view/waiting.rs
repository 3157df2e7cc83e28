//! What waits: for people to decide, and for its time.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::{
    approval::WaitingApproval,
    port::{StoredSchedule, StoredTick},
};
use utoipa::ToSchema;

use crate::words::{OverlapWord, VerdictWord};

/// A decision that an execution waits for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ApprovalView {
    /// The execution.
    execution_id: String,
    /// The path of its step that waits.
    path: String,
    /// The version of the workflow that it runs.
    workflow_id: String,
    /// The name of that.
    workflow: String,
    /// Whose execution it is.
    user_id: String,
    /// Since when it waits.
    since: DateTime<Utc>,
    /// `approval` of the step: who is asked, how many, with which form and buttons.
    rules: Value,
    /// What was decided so far, oldest first.
    decisions: Vec<Value>,
    /// Whether who asks may decide.
    may_decide: bool,
}

impl From<(WaitingApproval, bool)> for ApprovalView {
    fn from((waiting, may_decide): (WaitingApproval, bool)) -> Self {
        Self {
            execution_id: waiting.execution_id.to_string(),
            path: waiting.path,
            workflow_id: waiting.workflow_id.to_string(),
            workflow: waiting.workflow_name,
            user_id: waiting.user_id.to_string(),
            since: waiting.since,
            rules: waiting.rules,
            decisions: waiting.decisions,
            may_decide,
        }
    }
}

/// A schedule, as it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    /// The version of the workflow that it starts.
    workflow_id: String,
    /// The name of that.
    workflow: String,
    /// Whose it is.
    user_id: String,
    /// The times.
    cron: String,
    /// The zone in which they are meant.
    timezone: String,
    /// What happens when the execution before still runs.
    overlap: OverlapWord,
    /// The next time, without jitter.
    next_at: Option<DateTime<Utc>>,
    /// The time that waits for the end of the execution before.
    queued_for: Option<DateTime<Utc>>,
    /// When it is looked at next.
    due_at: Option<DateTime<Utc>>,
    /// What it started last.
    last_execution_id: Option<String>,
}

impl From<StoredSchedule> for ScheduleView {
    fn from(stored: StoredSchedule) -> Self {
        Self {
            workflow_id: stored.workflow_id.to_string(),
            workflow: stored.name,
            user_id: stored.user_id.to_string(),
            cron: stored.schedule.cron.to_string(),
            timezone: stored.schedule.timezone.to_string(),
            overlap: stored.schedule.overlap.into(),
            next_at: stored.state.next_at,
            queued_for: stored.state.queued_for,
            due_at: stored.due_at,
            last_execution_id: stored.last_execution.map(|id| id.to_string()),
        }
    }
}

/// What became of a time of a schedule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TickView {
    /// The time, without jitter.
    scheduled_for: DateTime<Utc>,
    /// What became of it.
    verdict: VerdictWord,
    /// What it started.
    execution_id: Option<String>,
}

impl From<StoredTick> for TickView {
    fn from(tick: StoredTick) -> Self {
        Self {
            scheduled_for: tick.scheduled_for,
            verdict: tick.verdict.into(),
            execution_id: tick.execution.map(|id| id.to_string()),
        }
    }
}
