//! The workers' leases.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{LeaseGrant, NewWorker, Renewal, RepositoryError, Result, Takeover, WorkerRepository},
};

use super::{
    MemoryStore,
    engine::{Engine, WorkerRow, later, milliseconds},
};

const ENTITY: &str = "worker";

/// Why executions lose their owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It gave them back.
    Released,
    /// It died: one that made no progress comes closer to being given up.
    Died,
}

#[async_trait]
impl WorkerRepository for MemoryStore {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        let (now, mut state) = (self.now(), self.state());
        if state.engine.workers.contains_key(&worker.id) {
            return Err(RepositoryError::AlreadyExists { entity: ENTITY });
        }
        let row =
            WorkerRow { lease_until: later(now, milliseconds(worker.lease_ms)), dead_at: None, session_ended: false };
        state.engine.workers.insert(worker.id, row);
        Ok(LeaseGrant { granted_at: now })
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        let (now, mut state) = (self.now(), self.state());
        let alive = state.engine.workers.get_mut(&id).filter(|row| row.dead_at.is_none());
        Ok(alive.map_or(Renewal::Fenced, |row| {
            row.lease_until = later(now, milliseconds(lease_ms));
            // Who renews has a session again.
            row.session_ended = false;
            Renewal::Renewed(LeaseGrant { granted_at: now })
        }))
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        let (now, mut state) = (self.now(), self.state());
        Ok(state.engine.bury(id, now, Loss::Released))
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        let (now, mut state) = (self.now(), self.state());
        let gone: Vec<WorkerId> = state
            .engine
            .workers
            .iter()
            .filter(|(id, row)| **id != finder && row.dead_at.is_none() && row.is_gone(now))
            .map(|(id, _)| *id)
            .collect();
        Ok(gone.into_iter().map(|id| state.engine.bury(id, now, Loss::Died)).fold(Takeover::default(), |sum, one| {
            Takeover { workers: sum.workers + one.workers, executions: sum.executions + one.executions }
        }))
    }

    async fn count_live(&self) -> Result<u32> {
        let alive = self.state().engine.workers.values().filter(|row| row.dead_at.is_none()).count();
        Ok(u32::try_from(alive).unwrap_or(u32::MAX))
    }
}

impl Engine {
    /// Marks a worker dead and makes what it owns claimable.
    fn bury(&mut self, id: WorkerId, now: DateTime<Utc>, loss: Loss) -> Takeover {
        let Some(row) = self.workers.get_mut(&id).filter(|row| row.dead_at.is_none()) else {
            return Takeover::default();
        };
        row.dead_at = Some(now);
        let orphans = self.owned.get(&id).cloned().unwrap_or_default();
        for orphan in &orphans {
            self.orphan(*orphan, now, loss);
        }
        Takeover { workers: 1, executions: u64::try_from(orphans.len()).unwrap_or(u64::MAX) }
    }

    fn orphan(&mut self, id: ExecutionId, now: DateTime<Utc>, loss: Loss) {
        let records = self.progress(id);
        if loss == Loss::Died
            && let Some(row) = self.executions.get_mut(&id)
        {
            row.takeovers = if records > row.takeover_records { 1 } else { row.takeovers + 1 };
            row.takeover_records = records;
        }
        self.free(id, now);
    }
}

impl WorkerRow {
    /// Whether its session is gone, or its lease has run out.
    fn is_gone(&self, now: DateTime<Utc>) -> bool {
        self.session_ended || self.lease_until < now
    }
}
