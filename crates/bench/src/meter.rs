//! Counts what the engine asks of storage, and tells the load of executions that have ended.
//!
//! It stands between the engine and the store. A call of a port is one statement and one round trip; there are
//! exceptions (a claim reads the journals of what has run before, an event is published in four statements), and none
//! of them is part of running a step. Workflows and agents are read once and then remembered: they are not counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use turbocat_domain::{
    budget::BudgetLimit,
    execution::ExecutionStatus,
    execution_log::ExecutionLog,
    id::{AgentId, ExecutionId, WorkerId},
    permit::{PermitGrant, PermitRequest},
    port::{
        BudgetLedger, ClaimRequest, ClaimedExecution, CommitOutcome, CounterRepository, DueRequest, DueSchedules,
        EndedChild, EventQueries, ExecutionMail, ExecutionQueue, FireOutcome, Firing, Journal, JournalBatch,
        LeaseGrant, LogWriter, NewEvent, NewExecution, NewWorker, NextDue, PartJournal, PartOutcome, PermitLedger,
        Renewal, RequestOutcome, Reservation, ReserveOutcome, Result, ScheduleRepository, StepPart, StepPlace,
        StoredEvent, Takeover, WorkerRepository,
    },
    usage::Charge,
};
use turbocat_persistence::PgStore;

/// Executions whose end was committed.
#[derive(Debug)]
pub(crate) struct Ended {
    /// When the engine was told so.
    pub(crate) at: Instant,
    /// Which.
    pub(crate) ids: Vec<ExecutionId>,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Calls of ports.
    pub(crate) round_trips: u64,
    /// Steps whose end was committed.
    pub(crate) steps: u64,
    /// Executions whose end was committed.
    pub(crate) executions: u64,
    /// Those that did not complete.
    pub(crate) failed: u64,
}

/// A store that counts.
pub(crate) struct Meter {
    store: PgStore,
    round_trips: AtomicU64,
    steps: AtomicU64,
    executions: AtomicU64,
    failed: AtomicU64,
    ended: UnboundedSender<Ended>,
}

impl Meter {
    /// Puts a meter before a store. The receiver is told of every execution that ends.
    pub(crate) fn new(store: PgStore) -> (Arc<Self>, UnboundedReceiver<Ended>) {
        let (ended, ends) = unbounded_channel();
        let zero = AtomicU64::default;
        let meter = Self { store, round_trips: zero(), steps: zero(), executions: zero(), failed: zero(), ended };
        (Arc::new(meter), ends)
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            round_trips: self.round_trips.load(Relaxed),
            steps: self.steps.load(Relaxed),
            executions: self.executions.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// The store, for one call.
    fn call(&self) -> &PgStore {
        self.round_trips.fetch_add(1, Relaxed);
        &self.store
    }

    fn committed(&self, batch: &JournalBatch) {
        let steps = batch.records.iter().filter(|record| record.ended_at.is_some()).count();
        let failed = batch.finished.iter().filter(|end| end.status != ExecutionStatus::Completed).count();
        self.steps.fetch_add(wide(steps), Relaxed);
        self.executions.fetch_add(wide(batch.finished.len()), Relaxed);
        self.failed.fetch_add(wide(failed), Relaxed);
        if !batch.finished.is_empty() {
            let ids = batch.finished.iter().map(|end| end.id).collect();
            // The load may have ended already.
            let _nobody_listens = self.ended.send(Ended { at: Instant::now(), ids });
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[async_trait]
impl Journal for Meter {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        let outcome = self.call().commit(worker, batch).await?;
        if outcome == CommitOutcome::Committed {
            self.committed(batch);
        }
        Ok(outcome)
    }
}

#[async_trait]
impl ExecutionQueue for Meter {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        self.call().insert(executions, owner).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        self.call().claim(request).await
    }

    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        self.call().release_unknown(worker, known).await
    }

    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        self.call().take_mail(worker).await
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        self.call().ended_children(parents).await
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        self.call().request_cancel(id).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.call().next_due().await
    }
}

#[async_trait]
impl WorkerRepository for Meter {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        self.call().register(worker).await
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.call().renew(id, lease_ms).await
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.call().release(id).await
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        self.call().take_over(finder).await
    }

    async fn count_live(&self) -> Result<u32> {
        self.call().count_live().await
    }
}

#[async_trait]
impl EventQueries for Meter {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        self.call().publish(event).await
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        self.call().received(name, since, target).await
    }
}

#[async_trait]
impl PartJournal for Meter {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        self.call().parts(step).await
    }

    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        self.call().record_part(worker, step, part).await
    }
}

#[async_trait]
impl PermitLedger for Meter {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        self.call().take_permits(worker, agent, request).await
    }
}

#[async_trait]
impl BudgetLedger for Meter {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        self.call().reserve(step, wanted, limits).await
    }
}

#[async_trait]
impl LogWriter for Meter {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        self.call().append(lines).await
    }
}

#[async_trait]
impl CounterRepository for Meter {
    async fn fold(&self) -> Result<u64> {
        self.call().fold().await
    }
}

#[async_trait]
impl ScheduleRepository for Meter {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        self.call().due(request).await
    }

    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        self.call().fire(worker, firings).await
    }
}
