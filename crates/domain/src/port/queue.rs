//! The queue of executions: accepted, claimed in batches, woken, cancelled.
//!
//! An execution is claimable when no worker owns it and its `wake_at` has come; one that is owned and
//! has a `wake_at` in the past has mail for its owner (a cancel, an ended child, an event). All times
//! here are the database's.
//!
//! One that is paused is claimed like any other when something happens to it, and rests with who claimed it until it is
//! parked again: it may have to be cancelled, or have timed out.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Result;
use crate::{
    execution::{TriggerType, is_detached},
    id::{EventId, ExecutionId, UserId, WorkerId, WorkflowId},
    step_run::{StepError, StepRecord},
};

/// An execution to be accepted. Its input has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The version of the workflow that it runs, for ever.
    pub workflow_id: WorkflowId,
    /// Who started it.
    pub user_id: UserId,
    /// How it was started.
    pub trigger_type: TriggerType,
    /// What started it.
    pub trigger_data: Value,
    /// Its input.
    pub input: Value,
    /// How many steps the workflow has.
    pub steps_total: u32,
    /// How long it may take in all, in milliseconds, from when it is accepted.
    pub timeout_ms: u64,
    /// The execution and the path of the step that this one is a child of.
    pub parent: Option<(ExecutionId, String)>,
    /// 0 without a parent, else one more than the parent's.
    pub depth: u16,
}

/// An execution that a worker now owns.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The version that it runs.
    pub workflow_id: WorkflowId,
    /// Whose it is.
    pub user_id: UserId,
    /// How it was started.
    pub trigger_type: TriggerType,
    /// What started it.
    pub trigger_data: Value,
    /// Its input.
    pub input: Value,
    /// When it was first started, in the database's time: the same at every claim.
    pub started_at: DateTime<Utc>,
    /// When it times out.
    pub deadline_at: DateTime<Utc>,
    /// Whether it is to be cancelled.
    pub cancel_requested: bool,
    /// Whether it is paused.
    pub is_paused: bool,
    /// How often it was taken over from a dead worker without progress in between.
    pub takeovers: u32,
    /// How deep in a chain of child executions it stands.
    pub depth: u16,
    /// The execution and the path of the step that it is a child of.
    pub parent: Option<(ExecutionId, String)>,
    /// What it has recorded so far, in the order of `seq`.
    pub records: Vec<StepRecord>,
}

impl ClaimedExecution {
    /// The execution and the path of the step that wait for its end: what started it, unless it goes its own way.
    #[must_use]
    pub fn awaited_by(&self) -> Option<(ExecutionId, String)> {
        self.parent.clone().filter(|_| !is_detached(&self.trigger_data))
    }
}

/// Asks for executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Who wants them.
    pub worker: WorkerId,
    /// How many at most.
    pub limit: u32,
}

/// What becomes due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NextDue {
    /// When the next execution that nobody owns does; `None` when none waits.
    pub execution: Option<DateTime<Utc>>,
    /// When the next schedule does; `None` when there is none.
    pub schedule: Option<DateTime<Utc>>,
}

/// What came in for an owned execution.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionMail {
    /// The execution.
    pub id: ExecutionId,
    /// Whether it is to be cancelled.
    pub cancel_requested: bool,
    /// Whether it is paused now.
    pub is_paused: bool,
}

/// The answer to a request to cancel, pause or resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// It will be done by the owner of the execution, or by who claims it next.
    Requested,
    /// It had ended before.
    Ended,
    /// There is no such execution.
    Unknown,
}

impl RequestOutcome {
    /// As an answer has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

/// A child execution that has ended, as its parent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedChild {
    /// The child.
    pub id: ExecutionId,
    /// The path of the parent's step.
    pub path: String,
    /// Its output, or why it did not complete.
    pub result: std::result::Result<Value, StepError>,
}

/// Something that happened, told to the executions that wait for it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Its name.
    pub name: String,
    /// What is known about it.
    pub payload: Value,
    /// The only execution and step that it is meant for (an approval); `None` for all that wait for the name.
    pub target: Option<(ExecutionId, String)>,
    /// Who sent it: it is for executions of this user alone.
    pub user_id: UserId,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// What is known about it.
    pub payload: Value,
    /// When the database took it in.
    pub received_at: DateTime<Utc>,
}

/// Accepts executions. The store does, and so does an engine that claims what it accepts at once.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ExecutionAcceptor: Send + Sync {
    /// Makes the executions durable, all of them or none.
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()>;
}

/// The queue of executions.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ExecutionQueue: Send + Sync {
    /// Inserts executions, all of them or none. With an owner that is alive they are born running and owned by
    /// it; otherwise they are pending and claimable. Returns the database's time of the insert, and whether the
    /// owner has them.
    ///
    /// May be repeated after an unknown outcome: an execution with this id that stands already with the same
    /// workflow and user MUST be left as it is, whatever has become of it; so is a child that stands already
    /// (same parent and path), and a child whose parent has ended is left out. What is missing of a batch that stands
    /// in part is inserted pending and claimable. The time is then that of the first insert, and the owner MUST be
    /// said to have them only if it owns each of them now. An id that stands with another workflow or user is
    /// [`RepositoryError::AlreadyExists`](super::RepositoryError::AlreadyExists).
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)>;

    /// Claims executions that nobody owns and whose time has come, the longest due first. MUST NOT give one
    /// execution to two workers, and MUST NOT give any to a worker that is marked dead.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>>;

    /// Hands back what the worker owns besides `known`: after a claim whose reply was lost, a worker owns
    /// executions that it knows nothing of. They are claimable at once. Returns how many.
    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64>;

    /// Takes the mail of the executions that the worker owns: each is reported once for all that came in.
    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>>;

    /// The ended children of these executions, but for those that go their own way: nobody waits for them.
    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>>;

    /// Asks for the execution to be cancelled, and wakes who must do it.
    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome>;

    /// What becomes due next, in the database's time. Schedules are told of with it, so that a process without work
    /// asks one question.
    async fn next_due(&self) -> Result<NextDue>;
}

/// The events that executions wait for. An event MUST reach only executions of the user who sent it, be it for all
/// that wait for its name or for one target: it wakes no other, no other receives it, and none is parked as if it had.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait EventQueries: Send + Sync {
    /// Stores an event and wakes the executions of its sender that wait for its name (or its one target). Returns
    /// how many: none, if its target is another user's. MUST NOT miss a wait that is registered at the same moment.
    async fn publish(&self, event: &NewEvent) -> Result<u64>;

    /// The events of a name that no earlier than `since` were received, oldest first: those for all, and those
    /// whose one target is this step. Of both MUST only be told what the user of the target's execution sent; an
    /// execution that is not there receives nothing.
    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>>;
}
