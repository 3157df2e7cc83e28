//! The ports of storage as a station has them: each call passes through the station under its name.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    budget::BudgetLimit,
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

use super::station::Station;

#[async_trait]
impl Journal for Station {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        let (memory, witness) = (&self.around.memory, &self.around.witness);
        let commit = async {
            let before = witness.before_commit(worker, batch).await;
            let outcome = memory.commit(worker, batch).await?;
            witness.committed(batch, outcome, before).await;
            Ok(outcome)
        };
        self.call("journal.commit", &(worker, batch), commit).await
    }
}

#[async_trait]
impl PartJournal for Station {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        self.call("part.list", &step, self.around.memory.parts(step)).await
    }

    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        let given = (worker, step, part);
        self.call("part.record", &given, self.around.witness.record_part(worker, step, part)).await
    }
}

#[async_trait]
impl PermitLedger for Station {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        self.call("permit.take", &(worker, agent, request), self.around.memory.take_permits(worker, agent, request))
            .await
    }
}

#[async_trait]
impl BudgetLedger for Station {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        self.call("budget.reserve", &(step, wanted), self.around.memory.reserve(step, wanted, limits)).await
    }
}

#[async_trait]
impl LogWriter for Station {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        self.call("log.append", &lines, self.around.memory.append(lines)).await
    }
}

#[async_trait]
impl CounterRepository for Station {
    async fn fold(&self) -> Result<u64> {
        self.call("counter.fold", &(), self.around.memory.fold()).await
    }
}

#[async_trait]
impl ExecutionQueue for Station {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        let given = (executions, owner);
        self.call("queue.insert", &given, self.around.memory.insert(executions, owner)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        let claim = async {
            let claimed = self.around.memory.claim(request).await?;
            for execution in &claimed {
                self.around.witness.claimed(execution.id, execution.takeovers);
            }
            Ok(claimed)
        };
        self.call("queue.claim", &request, claim).await
    }

    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        let given = (worker, known);
        self.call("queue.release_unknown", &given, self.around.memory.release_unknown(worker, known)).await
    }

    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        self.call("queue.take_mail", &worker, self.around.memory.take_mail(worker)).await
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        self.call("queue.ended_children", &parents, self.around.memory.ended_children(parents)).await
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        self.call("queue.request_cancel", &id, self.around.memory.request_cancel(id)).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.call("queue.next_due", &(), self.around.memory.next_due()).await
    }
}

#[async_trait]
impl EventQueries for Station {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        self.call("event.publish", &event, self.around.memory.publish(event)).await
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        let given = (name, since, target);
        self.call("event.received", &given, self.around.memory.received(name, since, target)).await
    }
}

#[async_trait]
impl WorkerRepository for Station {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        self.becomes(worker.id);
        self.call("worker.register", &worker, self.around.memory.register(worker)).await
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.call("worker.renew", &(id, lease_ms), self.around.memory.renew(id, lease_ms)).await
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.call("worker.release", &id, self.around.memory.release(id)).await
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        let take_over = async {
            let found = self.around.memory.take_over(finder).await?;
            self.around.witness.count(|tally| {
                tally.dead_workers_found += found.workers;
                tally.executions_taken_over += found.executions;
            });
            Ok(found)
        };
        self.call("worker.take_over", &finder, take_over).await
    }

    async fn count_live(&self) -> Result<u32> {
        self.call("worker.count_live", &(), self.around.memory.count_live()).await
    }
}

#[async_trait]
impl ScheduleRepository for Station {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        self.call("schedule.due", &request, self.around.memory.due(request)).await
    }

    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        self.call("schedule.fire", &(worker, firings), self.around.memory.fire(worker, firings)).await
    }
}
