//! An ear at the port of the leases: the ledger is to know as which worker this process lives.

use std::sync::Arc;

use async_trait::async_trait;
use turbocat_domain::{
    id::WorkerId,
    port::{LeaseGrant, NewWorker, Renewal, Result, Takeover, WorkerRepository},
};
use turbocat_persistence::PgStore;

use crate::ledger::Teller;

/// The store's leases.
pub(super) struct Lives {
    store: Arc<PgStore>,
    ledger: Teller,
}

impl Lives {
    pub(super) const fn new(store: Arc<PgStore>, ledger: Teller) -> Self {
        Self { store, ledger }
    }
}

#[async_trait]
impl WorkerRepository for Lives {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        let grant = self.store.register(worker).await?;
        self.ledger.lives_as(worker.id.as_uuid());
        Ok(grant)
    }

    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.store.renew(id, lease_ms).await
    }

    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.store.release(id).await
    }

    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        self.store.take_over(finder).await
    }

    async fn count_live(&self) -> Result<u32> {
        self.store.count_live().await
    }
}
