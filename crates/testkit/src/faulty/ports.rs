//! The engine's ports with faults: each call passes through the plan, under the name of its port.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    budget::BudgetLimit,
    execution_log::ExecutionLog,
    id::{AgentId, ExecutionId, WorkerId},
    permit::{PermitGrant, PermitRequest},
    port::{
        BudgetLedger, ClaimRequest, ClaimedExecution, CommitOutcome, CounterRepository, DueRequest, DueSchedules,
        EndedChild, EventQueries, ExecutionAcceptor, ExecutionMail, ExecutionQueue, FireOutcome, Firing, Journal,
        JournalBatch, LeaseGrant, LogWriter, NewEvent, NewExecution, NewWorker, NextDue, PartJournal, PartOutcome,
        PermitLedger, Renewal, RequestOutcome, Reservation, ReserveOutcome, Result, ScheduleRepository, StepPart,
        StepPlace, StoredEvent, Takeover, WorkerRepository,
    },
    usage::Charge,
};

use super::Faulty;

#[async_trait]
impl<S: Journal> Journal for Faulty<S> {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        self.plan.call("journal.commit", self.inner.commit(worker, batch)).await
    }
}

#[async_trait]
impl<S: PartJournal> PartJournal for Faulty<S> {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        self.plan.call("part.list", self.inner.parts(step)).await
    }

    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        self.plan.call("part.record", self.inner.record_part(worker, step, part)).await
    }
}

#[async_trait]
impl<S: PermitLedger> PermitLedger for Faulty<S> {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        self.plan.call("permit.take", self.inner.take_permits(worker, agent, request)).await
    }
}

#[async_trait]
impl<S: BudgetLedger> BudgetLedger for Faulty<S> {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        self.plan.call("budget.reserve", self.inner.reserve(step, wanted, limits)).await
    }
}

#[async_trait]
impl<S: LogWriter> LogWriter for Faulty<S> {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        self.plan.call("log.append", self.inner.append(lines)).await
    }
}

#[async_trait]
impl<S: CounterRepository> CounterRepository for Faulty<S> {
    async fn fold(&self) -> Result<u64> {
        self.plan.call("counter.fold", self.inner.fold()).await
    }
}

#[async_trait]
impl<S: ExecutionAcceptor> ExecutionAcceptor for Faulty<S> {
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()> {
        self.plan.call("acceptor.accept", self.inner.accept(executions)).await
    }
}

#[async_trait]
impl<S: ExecutionQueue> ExecutionQueue for Faulty<S> {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        self.plan.call("queue.insert", self.inner.insert(executions, owner)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        self.plan.call("queue.claim", self.inner.claim(request)).await
    }

    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        self.plan.call("queue.release_unknown", self.inner.release_unknown(worker, known)).await
    }

    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        self.plan.call("queue.take_mail", self.inner.take_mail(worker)).await
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        self.plan.call("queue.ended_children", self.inner.ended_children(parents)).await
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        self.plan.call("queue.request_cancel", self.inner.request_cancel(id)).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.plan.call("queue.next_due", self.inner.next_due()).await
    }
}

#[async_trait]
impl<S: ScheduleRepository> ScheduleRepository for Faulty<S> {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        self.plan.call("schedule.due", self.inner.due(request)).await
    }

    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        self.plan.call("schedule.fire", self.inner.fire(worker, firings)).await
    }
}

#[async_trait]
impl<S: EventQueries> EventQueries for Faulty<S> {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        self.plan.call("event.publish", self.inner.publish(event)).await
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        self.plan.call("event.received", self.inner.received(name, since, target)).await
    }
}

#[async_trait]
impl<S: WorkerRepository> WorkerRepository for Faulty<S> {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        self.plan.call("worker.register", self.inner.register(worker)).await
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.plan.call("worker.renew", self.inner.renew(id, lease_ms)).await
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.plan.call("worker.release", self.inner.release(id)).await
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        self.plan.call("worker.take_over", self.inner.take_over(finder)).await
    }

    async fn count_live(&self) -> Result<u32> {
        self.plan.call("worker.count_live", self.inner.count_live()).await
    }
}
