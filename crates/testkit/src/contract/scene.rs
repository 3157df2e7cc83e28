//! What most rules begin with: a user, an agent, a workflow, and executions in the state that the rule is about.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution::{Execution, ExecutionStatus},
    id::{ExecutionId, WorkerId},
    port::{
        ClaimRequest, ClaimedExecution, CommitOutcome, FinishedExecution, IdGenerator, JournalBatch, NewExecution,
        ParkedExecution, WaitRecord,
    },
    step_run::StepRecord,
    user::User,
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

use super::ContractStore;
use crate::{
    builder::{a_new_execution, a_user, a_worker, a_workflow, an_agent},
    clock::epoch,
    ids::SequentialIds,
};

/// More than any rule claims.
const ALL: u32 = 1_000;

/// A user with an agent and a workflow that runs it in two steps, `fetch` and `sum`.
#[derive(Debug)]
pub struct Scene {
    /// Gives the ids of all that a rule makes.
    pub ids: SequentialIds,
    /// The owner of all.
    pub user: User,
    /// An active agent.
    pub agent: Agent,
    /// An active workflow.
    pub workflow: Workflow,
    /// Its steps.
    pub steps: Vec<WorkflowStep>,
}

impl Scene {
    /// Writes a scene into an empty store.
    pub async fn set(store: &dyn ContractStore) -> Self {
        let ids = SequentialIds::new(1);
        let user = a_user(&ids);
        let agent = an_agent(&ids, user.id, AgentType::Data);
        let (workflow, steps) = a_workflow(&ids, &agent, &["fetch", "sum"]);
        let mut uow = store.begin().await.unwrap();
        uow.users().insert(&user).await.unwrap();
        uow.agents().insert(std::slice::from_ref(&agent)).await.unwrap();
        uow.workflows().insert(&workflow, &steps).await.unwrap();
        uow.commit().await.unwrap();
        Self { ids, user, agent, workflow, steps }
    }

    /// Another user, who has nothing.
    pub async fn another_user(&self, store: &dyn ContractStore) -> User {
        let user = a_user(&self.ids);
        let mut uow = store.begin().await.unwrap();
        uow.users().insert(&user).await.unwrap();
        uow.commit().await.unwrap();
        user
    }

    /// Registers a worker.
    pub async fn worker(&self, store: &dyn ContractStore) -> WorkerId {
        let worker = a_worker(&self.ids);
        store.register(&worker).await.unwrap();
        worker.id
    }

    /// An execution that is not accepted yet.
    #[must_use]
    pub fn new_execution(&self) -> NewExecution {
        a_new_execution(&self.ids, &self.workflow)
    }

    /// Accepts executions, each due a little later than the one before.
    pub async fn accept(&self, store: &dyn ContractStore, count: usize) -> Vec<ExecutionId> {
        let mut accepted = Vec::with_capacity(count);
        for _ in 0..count {
            let new = self.new_execution();
            accepted.push(new.id);
            store.insert(&[new], None).await.unwrap();
            store.tick().await;
        }
        accepted
    }

    /// Accepts an execution and lets a worker claim it; nothing else may be claimable.
    pub async fn running(&self, store: &dyn ContractStore, worker: WorkerId) -> ClaimedExecution {
        let id = self.accept(store, 1).await[0];
        let mut claimed = claim(store, worker).await;
        assert_eq!(claimed.len(), 1, "one execution is claimable");
        assert_eq!(claimed[0].id, id);
        claimed.remove(0)
    }

    /// A record of a step that the scene's workflow and agent have.
    #[must_use]
    pub fn record(&self, execution: ExecutionId, step: usize, seq: u32) -> StepRecord {
        let step = &self.steps[step];
        StepRecord {
            workflow_step_id: Some(step.id),
            agent_id: Some(self.agent.id),
            ..crate::builder::a_record(execution, step.step_key.as_str(), seq)
        }
    }

    /// An id that nothing has.
    pub fn nobody<T>(&self, wrap: fn(uuid::Uuid) -> T) -> T {
        wrap(self.ids.next())
    }
}

/// Claims all that is due.
pub(super) async fn claim(store: &dyn ContractStore, worker: WorkerId) -> Vec<ClaimedExecution> {
    claim_some(store, worker, ALL).await
}

/// Claims what is due, up to a limit.
pub(super) async fn claim_some(store: &dyn ContractStore, worker: WorkerId, limit: u32) -> Vec<ClaimedExecution> {
    store.claim(ClaimRequest { worker, limit }).await.unwrap()
}

/// The ids of claimed executions, sorted.
pub(super) fn ids_of(claimed: &[ClaimedExecution]) -> Vec<ExecutionId> {
    let mut ids: Vec<ExecutionId> = claimed.iter().map(|claimed| claimed.id).collect();
    ids.sort();
    ids
}

/// Commits records, and expects that the worker still may.
pub(super) async fn write(store: &dyn ContractStore, worker: WorkerId, records: &[StepRecord]) {
    commit(store, worker, JournalBatch { records: records.to_vec(), ..JournalBatch::default() }).await;
}

/// Commits the end of an execution, and expects that the worker still may.
pub(super) async fn finish(store: &dyn ContractStore, worker: WorkerId, finished: FinishedExecution) {
    commit(store, worker, JournalBatch { finished: vec![finished], ..JournalBatch::default() }).await;
}

/// Parks an execution until a time that no rule lives to see, and expects that the worker still may.
pub(super) async fn park(store: &dyn ContractStore, worker: WorkerId, id: ExecutionId, waits: Vec<WaitRecord>) {
    let parked = vec![ParkedExecution { id, wake_at: far_future(), waits }];
    commit(store, worker, JournalBatch { parked, ..JournalBatch::default() }).await;
}

/// Commits a batch, and expects that the worker still may.
pub(super) async fn commit(store: &dyn ContractStore, worker: WorkerId, batch: JournalBatch) {
    assert_eq!(store.commit(worker, &batch).await.unwrap(), CommitOutcome::Committed);
}

/// A wait for an event of any age.
pub(super) fn a_wait(path: &str, event_name: &str) -> WaitRecord {
    WaitRecord { path: path.to_owned(), event_name: event_name.to_owned(), since: far_past() }
}

/// Reads an execution.
pub(super) async fn read(store: &dyn ContractStore, id: ExecutionId) -> Execution {
    store.executions().get(id).await.unwrap()
}

/// The status of an execution.
pub(super) async fn status(store: &dyn ContractStore, id: ExecutionId) -> ExecutionStatus {
    read(store, id).await.status
}

/// Lets a worker's lease run out, and another find it dead.
pub(super) async fn kill(store: &dyn ContractStore, worker: WorkerId, finder: WorkerId) {
    store.expire_lease(worker).await;
    let found = store.take_over(finder).await.unwrap();
    assert_eq!(found.workers, 1, "the dead worker is found");
}

/// A moment before everything.
pub(super) fn far_past() -> DateTime<Utc> {
    epoch() - TimeDelta::days(9_000)
}

/// A moment after everything.
pub(super) fn far_future() -> DateTime<Utc> {
    epoch() + TimeDelta::days(27_000)
}
