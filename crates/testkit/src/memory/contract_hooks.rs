//! The hooks of the contract suite: time passes because it is told to.

use async_trait::async_trait;
use chrono::TimeDelta;
use turbocat_domain::id::{ExecutionId, WorkerId};

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
}
