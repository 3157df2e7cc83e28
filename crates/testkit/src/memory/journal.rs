//! The journal: what workers learned, committed in batches under their lease.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    execution::{ExecutionStatus, deployment_of},
    id::WorkerId,
    port::{CommitOutcome, FinishedExecution, Journal, JournalBatch, ParkedExecution, Result},
    step_run::{StepOutcome, StepRecord},
    value::duration_ms,
};

use super::{
    MemoryStore,
    engine::{Delta, Engine, Target},
};

#[async_trait]
impl Journal for MemoryStore {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        let (now, mut state) = (self.now(), self.state());
        if !state.engine.is_alive(worker) {
            return Ok(CommitOutcome::Fenced);
        }
        for record in &batch.records {
            state.engine.record(worker, record, now);
        }
        for finished in &batch.finished {
            state.engine.finish(worker, finished);
            state.release_schedules(finished.id, now);
            // Also when the batch is repeated: to be woken once too often harms nobody.
            if let Some((parent, _)) = &finished.parent {
                state.engine.wake(*parent, now);
            }
        }
        for parked in &batch.parked {
            state.engine.park(worker, parked, now);
        }
        Ok(CommitOutcome::Committed)
    }
}

impl Engine {
    /// Writes an attempt, unless it stands already. An end is new once: then it is told to the log and the metrics.
    fn record(&mut self, worker: WorkerId, record: &StepRecord, now: DateTime<Utc>) {
        if self.owned_by(record.execution_id, worker).is_none() {
            return;
        }
        let journal = self.journals.entry(record.execution_id).or_default();
        let key = (record.path.clone(), record.attempt);
        let ends = record.outcome != StepOutcome::Running;
        let is_new = journal.get(&key).is_none_or(|stored| stored.outcome == StepOutcome::Running && ends);
        if !is_new {
            return;
        }
        journal.insert(key, record.clone());
        if ends {
            self.append_step_line(record, now);
            self.count_step(record, now);
        }
    }

    /// Tells the agent's metrics of an attempt that it completed or failed.
    fn count_step(&mut self, record: &StepRecord, now: DateTime<Utc>) {
        let succeeded = match record.outcome {
            StepOutcome::Completed(_) => true,
            StepOutcome::Failed(_) => false,
            StepOutcome::Running | StepOutcome::Skipped(_) => return,
        };
        if let Some(agent) = record.agent_id {
            let ended_at = record.ended_at.unwrap_or(now);
            let duration_ms = u64::from(duration_ms(record.started_at, ended_at));
            self.deltas.push(Delta { target: Target::Agent(agent), succeeded, duration_ms, at: ended_at });
        }
    }

    /// Ends an execution, once.
    fn finish(&mut self, worker: WorkerId, finished: &FinishedExecution) {
        let Some(row) = self.owned_by(finished.id, worker) else { return };
        if !row.execution.finish(finished) {
            return;
        }
        let deployment = deployment_of(&row.execution.trigger_data).map(Target::Deployment);
        self.place(finished.id, None, None);
        self.wait_for(finished.id, Vec::new());
        for target in [Target::Workflow(finished.workflow_id)].into_iter().chain(deployment) {
            self.deltas.push(Delta {
                target,
                succeeded: finished.status == ExecutionStatus::Completed,
                duration_ms: u64::from(duration_ms(finished.started_at, finished.completed_at)),
                at: finished.completed_at,
            });
        }
    }

    /// Hands an execution back until something happens: mail and events that came first have happened.
    fn park(&mut self, worker: WorkerId, parked: &ParkedExecution, now: DateTime<Utc>) {
        let Some(row) = self.owned_by(parked.id, worker) else { return };
        row.execution.updated_at = now;
        row.takeovers = 0;
        row.takeover_records = 0;
        let mail = row.wake_at();
        let event = if self.has_event_for(parked.id, &parked.waits) { Some(now) } else { None };
        let wake_at = mail.into_iter().chain(event).fold(parked.wake_at, DateTime::min);
        self.place(parked.id, None, Some(wake_at));
        self.wait_for(parked.id, parked.waits.clone());
    }
}
