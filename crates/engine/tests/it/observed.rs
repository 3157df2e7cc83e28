//! A store that is watched: its time is the runtime's, its calls are counted, and it fails when it is told to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;
use turbocat_domain::{
    budget::BudgetLimit,
    execution_log::ExecutionLog,
    id::{AgentId, ExecutionId, WorkerId},
    permit::{PermitGrant, PermitRequest},
    port::{
        BudgetLedger, ClaimRequest, ClaimedExecution, CommitOutcome, CounterRepository, DueRequest, DueSchedules,
        EndedChild, EventQueries, ExecutionMail, ExecutionQueue, FireOutcome, Firing, Journal, JournalBatch,
        LeaseGrant, LogWriter, NewEvent, NewExecution, NewWorker, NextDue, PartJournal, PartOutcome, PermitLedger,
        Queries, Renewal, RepositoryError, RequestOutcome, Reservation, ReserveOutcome, Result, ScheduleRepository,
        StepPart, StepPlace, StoredEvent, Takeover, WorkerRepository,
    },
    usage::Charge,
};
use turbocat_testkit::{
    clock::epoch,
    faulty::{FaultPlan, FaultRates, Faulty},
    memory::MemoryStore,
};

/// What the tests look at and turn.
pub(crate) struct Observed {
    pub(crate) memory: MemoryStore,
    store: Faulty<MemoryStore>,
    pub(crate) faults: FaultPlan,
    start: Instant,
    /// Nothing gets through.
    pub(crate) is_down: AtomicBool,
    /// Calls of this name do not get through.
    pub(crate) refused: Mutex<Option<&'static str>>,
    /// How long a commit takes, in milliseconds.
    pub(crate) commit_ms: AtomicU64,
    /// Batches that hold a record of this path are refused for good.
    pub(crate) poison: Mutex<Option<String>>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    /// The sizes of the batches that were committed: records, ends, parked.
    pub(crate) batches: Mutex<Vec<(usize, usize, usize)>>,
    /// Commits by a worker that was fenced.
    pub(crate) fenced: AtomicU64,
}

#[derive(Debug, thiserror::Error)]
#[error("the store is {0}")]
struct Told(&'static str);

impl Observed {
    pub(crate) fn new() -> Arc<Self> {
        let memory = MemoryStore::default();
        let faults = FaultPlan::new(7, FaultRates::default());
        Arc::new(Self {
            store: Faulty::new(memory.clone(), faults.clone()),
            memory,
            faults,
            start: Instant::now(),
            is_down: AtomicBool::new(false),
            refused: Mutex::new(None),
            commit_ms: AtomicU64::new(0),
            poison: Mutex::new(None),
            calls: Mutex::new(BTreeMap::new()),
            batches: Mutex::new(Vec::new()),
            fenced: AtomicU64::new(0),
        })
    }

    /// The database's time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        epoch() + self.start.elapsed()
    }

    /// How often a port was called; all of them by default.
    pub(crate) fn calls(&self, name: Option<&str>) -> u64 {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(call, _)| name.is_none_or(|name| name == **call)).map(|(_, count)| count).sum()
    }

    /// Lets the time of the store catch up, counts the call, and lets it through if the store is up.
    fn enter(&self, name: &'static str) -> Result<()> {
        self.memory.clock().advance_to(self.now());
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        let is_refused = *self.refused.lock().unwrap() == Some(name);
        if self.is_down.load(Ordering::SeqCst) || is_refused {
            return Err(RepositoryError::Backend { transient: true, source: Box::new(Told("down")) });
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for Observed {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        self.enter("journal.commit")?;
        let commit_ms = self.commit_ms.load(Ordering::SeqCst);
        if commit_ms > 0 {
            tokio::time::sleep(Duration::from_millis(commit_ms)).await;
        }
        let poison = self.poison.lock().unwrap().clone();
        if batch.records.iter().any(|record| poison.as_deref() == Some(&record.path)) {
            return Err(RepositoryError::Backend { transient: false, source: Box::new(Told("strict")) });
        }
        let outcome = self.store.commit(worker, batch).await?;
        match outcome {
            CommitOutcome::Committed => {
                let sizes = (batch.records.len(), batch.finished.len(), batch.parked.len());
                self.batches.lock().unwrap().push(sizes);
            }
            CommitOutcome::Fenced => drop(self.fenced.fetch_add(1, Ordering::SeqCst)),
        }
        Ok(outcome)
    }
}

#[async_trait]
impl PartJournal for Observed {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        self.enter("part.list")?;
        self.store.parts(step).await
    }

    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        self.enter("part.record")?;
        self.store.record_part(worker, step, part).await
    }
}

#[async_trait]
impl PermitLedger for Observed {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        self.enter("permit.take")?;
        self.store.take_permits(worker, agent, request).await
    }
}

#[async_trait]
impl BudgetLedger for Observed {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        self.enter("budget.reserve")?;
        self.store.reserve(step, wanted, limits).await
    }
}

#[async_trait]
impl LogWriter for Observed {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        self.enter("log.append")?;
        self.store.append(lines).await
    }
}

#[async_trait]
impl CounterRepository for Observed {
    async fn fold(&self) -> Result<u64> {
        self.enter("counter.fold")?;
        self.store.fold().await
    }
}

#[async_trait]
impl ExecutionQueue for Observed {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        self.enter("queue.insert")?;
        self.store.insert(executions, owner).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        self.enter("queue.claim")?;
        self.store.claim(request).await
    }

    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        self.enter("queue.release_unknown")?;
        self.store.release_unknown(worker, known).await
    }

    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        self.enter("queue.take_mail")?;
        self.store.take_mail(worker).await
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        self.enter("queue.ended_children")?;
        self.store.ended_children(parents).await
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        self.enter("queue.request_cancel")?;
        self.store.request_cancel(id).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.enter("queue.next_due")?;
        self.store.next_due().await
    }
}

#[async_trait]
impl ScheduleRepository for Observed {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        self.enter("schedule.due")?;
        self.store.due(request).await
    }

    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        self.enter("schedule.fire")?;
        self.store.fire(worker, firings).await
    }
}

#[async_trait]
impl EventQueries for Observed {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        self.enter("event.publish")?;
        self.store.publish(event).await
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        self.enter("event.received")?;
        self.store.received(name, since, target).await
    }
}

#[async_trait]
impl WorkerRepository for Observed {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        self.enter("worker.register")?;
        self.store.register(worker).await
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.enter("worker.renew")?;
        self.store.renew(id, lease_ms).await
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.enter("worker.release")?;
        self.store.release(id).await
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        self.enter("worker.take_over")?;
        self.store.take_over(finder).await
    }

    async fn count_live(&self) -> Result<u32> {
        self.enter("worker.count_live")?;
        self.store.count_live().await
    }
}

impl Observed {
    /// The read side, which does not fail.
    pub(crate) fn queries(&self) -> &dyn Queries {
        &self.memory
    }
}
