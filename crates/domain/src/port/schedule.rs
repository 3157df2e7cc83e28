//! The schedules of active workflows, and the executions that they start.
//!
//! A schedule is kept by the writes of workflows: it begins with a version that is published, and its state passes to
//! the version that follows in the same transaction. Here it is fired. All times are the database's.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Result;
use crate::{
    id::{ExecutionId, UserId, WorkerId, WorkflowId},
    schedule::{ScheduleState, Verdict, WorkflowSchedule},
};

/// Asks for schedules that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRequest {
    /// How many at most.
    pub limit: u32,
    /// Into how many slices all schedules are cut, and which one is meant: those who fire a burst together take
    /// different ones. `(1, 0)` is all.
    pub slice: (u32, u32),
}

/// A schedule that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct DueSchedule {
    /// The active version of its workflow.
    pub workflow_id: WorkflowId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it starts, and when.
    pub workflow: WorkflowSchedule,
    /// Where it stands.
    pub state: ScheduleState,
    /// Whether the execution that it started last has not ended.
    pub is_busy: bool,
}

/// The schedules that are due.
#[derive(Debug, Clone, PartialEq)]
pub struct DueSchedules {
    /// The time at which they are.
    pub now: DateTime<Utc>,
    /// The longest due first.
    pub schedules: Vec<DueSchedule>,
    /// When the next one of all that are not due yet is.
    pub next_at: Option<DateTime<Utc>>,
}

/// A tick that is handled.
#[derive(Debug, Clone, PartialEq)]
pub struct FiredTick {
    /// Its time, without jitter.
    pub scheduled_for: DateTime<Utc>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What it starts, if it starts something.
    pub execution: Option<ScheduledExecution>,
}

/// An execution that a tick starts: of the schedule's workflow, for its user, with `{}` as input.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledExecution {
    /// Its id.
    pub id: ExecutionId,
    /// What is known of the tick.
    pub trigger_data: Value,
    /// Whether the worker that fires owns it at once, or whoever claims it.
    pub is_owned: bool,
}

/// What is done about one schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The version that was due.
    pub workflow_id: WorkflowId,
    /// Where it stood: if it does not any more, nothing is done.
    pub before: ScheduleState,
    /// Where it stands afterwards.
    pub after: ScheduleState,
    /// By how much the next tick is late on purpose, in milliseconds.
    pub jitter_ms: u32,
    /// The ticks that are handled.
    pub ticks: Vec<FiredTick>,
}

/// What became of firings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FireOutcome {
    /// They are done, as far as the schedules stood where they were expected.
    Fired(Fired),
    /// The worker is marked dead, and nothing was written.
    Fenced,
}

impl FireOutcome {
    /// What was fired; `None` for a worker that is marked dead.
    #[must_use]
    pub fn fired(self) -> Option<Fired> {
        match self {
            Self::Fired(fired) => Some(fired),
            Self::Fenced => None,
        }
    }
}

/// What was fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// When.
    pub at: DateTime<Utc>,
    /// How many schedules moved on; the others were moved on, changed or locked by somebody else.
    pub schedules: u64,
    /// The executions that were inserted. Those that were to be owned are.
    pub executions: Vec<ExecutionId>,
}

/// Fires schedules.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ScheduleRepository: Send + Sync {
    /// The schedules that are due now, as they stand. Locks nothing: what of it is still so is decided by
    /// [`fire`](Self::fire). A schedule that cannot be read MUST be ended, and not keep the others from being read.
    async fn due(&self, request: DueRequest) -> Result<DueSchedules>;

    /// Does what was decided, all of it in one transaction: moves schedules on, records their ticks, and inserts
    /// their executions, owned by the worker or pending.
    ///
    /// MUST leave a schedule alone that does not stand where it is expected, that has ended, or whose workflow has
    /// another active version by now; and one that somebody else is changing at the moment. MUST insert nothing for a
    /// tick that was recorded before. MUST do nothing for a worker that is marked dead. A tick that begins to wait
    /// for an execution MUST be due again when that has ended, also if it ends at the same moment.
    ///
    /// After an unknown outcome it is not known what the worker owns; the same call made again changes nothing more.
    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome>;
}
