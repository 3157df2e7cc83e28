//! What the shard is told.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;
use turbocat_domain::{
    agent::Agent,
    id::{AgentId, ExecutionId, WorkflowId},
    port::{ClaimedExecution, EndedChild, ExecutionMail, FinishedExecution, RepositoryError},
    run::StepAddress,
    step_run::StepError,
};

use super::{gate::Permitted, slab::SlotKey};
use crate::{journal_writer::Committed, plans::LoadedWorkflow};

/// A message to the shard.
pub(crate) enum Message {
    /// This worker owns an execution now.
    Adopt(Box<ClaimedExecution>),
    /// The same of one that was accepted, perhaps for the second time.
    Born(Box<ClaimedExecution>),
    /// A workflow was loaded, or cannot be.
    WorkflowLoaded(WorkflowId, Result<Arc<LoadedWorkflow>, StepError>),
    /// An agent was loaded, or cannot be.
    AgentLoaded(AgentId, Result<Arc<Agent>, StepError>),
    /// Storage said how often an agent may run here.
    Permitted(AgentId, Permitted),
    /// An attempt ended.
    Ended(Ended),
    /// A child was started, or cannot be.
    ChildStarted(ChildStarted),
    /// May an attempt start a child of its own?
    MayStartChild(StartOfChild),
    /// That child is there, or cannot be.
    ChildIsThere(SlotKey),
    /// The children that an execution leaves are asked to be cancelled.
    ChildrenCancelled(SlotKey),
    /// What follows the failure of an execution is started.
    Followed(SlotKey),
    /// Those of an execution that cannot be run are; this is its end.
    Refused(Box<FinishedExecution>),
    /// What could not be parked because of a claim now can be.
    MayPark,
    /// There may be mail.
    Mail,
    /// Mail was taken. After an error it is not known whether there was some.
    MailTaken(Result<Vec<ExecutionMail>, RepositoryError>),
    /// What executions wait for was looked up.
    Read(ReadReply),
    /// A batch is durable.
    Committed(Committed),
    /// How many workers share the database.
    Workers(u32),
    /// Which executions are held?
    List(oneshot::Sender<Vec<ExecutionId>>),
}

/// The end of an attempt.
pub(crate) struct Ended {
    pub(crate) slot: SlotKey,
    pub(crate) step: StepAddress,
    pub(crate) attempt: u16,
    pub(crate) result: Result<Value, StepError>,
    /// The budget that it is short of, if it waits for one.
    pub(crate) short: Option<StepError>,
}

/// What came of starting a child.
pub(crate) struct ChildStarted {
    pub(crate) slot: SlotKey,
    pub(crate) step: StepAddress,
    pub(crate) attempt: u16,
    pub(crate) child: ExecutionId,
    /// The answer of a step that does not wait for its end.
    pub(crate) result: Result<Option<Value>, StepError>,
}

/// An attempt that wants to start a child.
pub(crate) struct StartOfChild {
    pub(crate) slot: SlotKey,
    pub(crate) step: StepAddress,
    pub(crate) attempt: u16,
    /// With leave, it says when the child is there.
    pub(crate) answer: oneshot::Sender<Result<(), StepError>>,
}

/// What was found for executions that wait.
#[derive(Default)]
pub(crate) struct ReadReply {
    /// The executions that were looked at.
    pub(crate) slots: Vec<SlotKey>,
    /// Children that have ended, with their parents.
    pub(crate) children: Vec<(ExecutionId, EndedChild)>,
    /// Events that have arrived.
    pub(crate) signals: Vec<Signals>,
    /// What is asked of executions.
    pub(crate) letters: Vec<ExecutionMail>,
}

/// The events that a wait may be waiting for.
pub(crate) struct Signals {
    pub(crate) slot: SlotKey,
    pub(crate) step: StepAddress,
    pub(crate) payloads: Vec<Value>,
    /// When the last of them was received.
    pub(crate) last_at: chrono::DateTime<chrono::Utc>,
}
