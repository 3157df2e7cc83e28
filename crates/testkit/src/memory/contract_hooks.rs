//! The hooks of the contract suite: time passes because it is told to.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    id::{ExecutionId, WorkerId, WorkflowId},
    schedule::Verdict,
};

use super::MemoryStore;
use crate::contract::ContractStore;

/// The smallest step back in time.
const MOMENT: TimeDelta = TimeDelta::microseconds(1);

#[async_trait]
impl ContractStore for MemoryStore {
    async fn tick(&self) {
        self.clock().advance_ms(1);
    }

    async fn expire_lease(&self, worker: WorkerId) {
        let (now, mut state) = (self.now(), self.state());
        if let Some(row) = state.engine.workers.get_mut(&worker) {
            row.lease_until = now - MOMENT;
        }
    }

    async fn make_due(&self, execution: ExecutionId) {
        let (now, mut state) = (self.now(), self.state());
        let parked = state.engine.executions.get(&execution).is_some_and(|row| row.wake_at().is_some());
        if parked {
            state.engine.wake(execution, now - MOMENT);
        }
    }

    async fn set_next_tick(&self, workflow: WorkflowId, tick: DateTime<Utc>) {
        Self::set_next_tick(self, workflow, tick);
    }

    async fn ticks(&self, workflow: WorkflowId) -> Vec<(DateTime<Utc>, Verdict, Option<ExecutionId>)> {
        Self::ticks(self, workflow).into_iter().map(|(at, row)| (at, row.verdict, row.execution)).collect()
    }
}
