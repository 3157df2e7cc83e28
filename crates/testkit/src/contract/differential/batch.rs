//! Batches of the journal, as a worker might send them, and as a worker that is wrong about what it owns might.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::Value;
use turbocat_domain::{
    execution::ExecutionStatus,
    id::{ExecutionId, WorkerId},
    port::{CommitOutcome, FinishedExecution, JournalBatch, ParkedExecution, WaitRecord},
    step_run::{SkipReason, StepError, StepOutcome, StepRecord},
};

use super::{
    super::scene::{far_future, far_past},
    Pair,
    view::answer,
};
use crate::{builder::a_record, clock::epoch};

impl Pair<'_> {
    /// Commits a batch, or the last one once more.
    pub(super) async fn commit(&mut self) {
        let again = self.last.clone().filter(|_| self.random.per_mille(200));
        let is_again = again.is_some();
        let Some((worker, batch)) = again.or_else(|| self.any_batch()) else { return };
        let outcome = self.ask("commit", async |store| answer(store.commit(worker, &batch).await)).await.unwrap();

        self.count("commits repeated", usize::from(is_again));
        self.count("commits fenced", usize::from(outcome == CommitOutcome::Fenced));
        if outcome == CommitOutcome::Committed {
            self.note(worker, &batch);
        }
        self.last = Some((worker, batch));
    }

    /// Notes who owns what after a commit.
    fn note(&mut self, worker: WorkerId, batch: &JournalBatch) {
        for end in &batch.finished {
            let ends = self.owners.get(&end.id) == Some(&worker);
            self.count("executions ended", usize::from(ends));
            if ends {
                self.owners.remove(&end.id);
            }
        }
        for parked in &batch.parked {
            let parks = self.owners.get(&parked.id) == Some(&worker);
            self.count("executions parked", usize::from(parks));
            if parks {
                self.owners.remove(&parked.id);
                self.parked.insert(parked.id);
            }
        }
    }

    /// A batch about a few executions, mostly of a worker that has claimed one of them.
    fn any_batch(&mut self) -> Option<(WorkerId, JournalBatch)> {
        let first = self.any_execution()?;
        let owner = self.owners.get(&first).copied().filter(|_| self.random.per_mille(850));
        let worker = owner.or_else(|| self.any_worker())?;
        let its_own = self.owned_by(worker);
        let mut ids = BTreeSet::from([first]);
        ids.extend(self.random.pick(&its_own).copied());
        ids.extend(self.any_execution().filter(|_| self.random.per_mille(200)));

        let mut batch = JournalBatch::default();
        for id in ids {
            self.add_records(id, &mut batch);
            match self.random.below(10) {
                0..=2 => batch.finished.push(self.any_end(id)),
                3..=5 => batch.parked.push(self.any_park(id)),
                _ => {}
            }
        }
        Some((worker, batch))
    }

    /// Adds up to three records of different steps.
    fn add_records(&mut self, id: ExecutionId, batch: &mut JournalBatch) {
        for (step, path) in ["fetch", "collect[3].fetch", "fan.left.sum"].into_iter().enumerate() {
            if self.random.per_mille(500) {
                continue;
            }
            let outcome = self.any_outcome();
            let took = i64::try_from(self.random.below(1_000)).unwrap_or(0);
            let ended_at = Some(epoch() + TimeDelta::milliseconds(took)).filter(|_| outcome != StepOutcome::Running);
            batch.records.push(StepRecord {
                attempt: if self.random.per_mille(700) { 1 } else { 2 },
                outcome,
                ended_at,
                agent_id: Some(self.scene.agent.id).filter(|_| step != 1),
                workflow_step_id: self.scene.steps.get(step).map(|step| step.id),
                ..a_record(id, path, self.next_seq())
            });
        }
    }

    fn any_outcome(&mut self) -> StepOutcome {
        match self.random.below(6) {
            0 | 1 => StepOutcome::Running,
            2 => StepOutcome::Failed(StepError::transient("http_status", "it answered 503")),
            3 => StepOutcome::Skipped(SkipReason::IfFalse),
            _ => StepOutcome::Completed(self.any_output()),
        }
    }

    fn any_end(&mut self, id: ExecutionId) -> FinishedExecution {
        let ends =
            [ExecutionStatus::Completed, ExecutionStatus::Failed, ExecutionStatus::Cancelled, ExecutionStatus::Timeout];
        let status = self.random.pick(&ends).copied().unwrap_or(ExecutionStatus::Completed);
        let completed = status == ExecutionStatus::Completed;
        let took = i64::try_from(self.random.below(1_000)).unwrap_or(0);
        FinishedExecution {
            id,
            workflow_id: self.scene.workflow.id,
            status,
            output: if completed { self.any_output() } else { Value::Null },
            error: if completed { None } else { Some(StepError::permanent("refused", "it was refused")) },
            steps_completed: 2,
            steps_failed: 1,
            started_at: epoch(),
            completed_at: epoch() + TimeDelta::milliseconds(took),
            parent: self.parents.get(&id).cloned(),
        }
    }

    fn any_park(&mut self, id: ExecutionId) -> ParkedExecution {
        let mut waits = Vec::new();
        for path in ["a", "b"] {
            if self.random.per_mille(500) {
                let since = if self.random.per_mille(700) { far_past() } else { far_future() };
                waits.push(WaitRecord { path: path.to_owned(), event_name: self.any_event().to_owned(), since });
            }
        }
        let wake_at = if self.random.per_mille(250) { far_past() } else { far_future() };
        ParkedExecution { id, wake_at, waits }
    }
}
