//! The workers' leases: who is alive, decided by the database's clock alone.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Result;
use crate::id::WorkerId;

/// A process that wants to own executions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorker {
    /// Its id: one life. A process that was fenced comes back under another.
    pub id: WorkerId,
    /// Who it is, for people: host and process.
    pub name: String,
    /// How long it may go unheard of, in milliseconds.
    pub lease_ms: u64,
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// The database's time when it was granted.
    pub granted_at: DateTime<Utc>,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease goes on from this time of the database.
    Renewed(LeaseGrant),
    /// The worker is marked dead: it owns nothing any more and must stop.
    Fenced,
}

/// What a look for dead workers found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takeover {
    /// Workers that were marked dead.
    pub workers: u64,
    /// Executions that became claimable.
    pub executions: u64,
}

/// The rows of the workers.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkerRepository: Send + Sync {
    /// Inserts the worker with a fresh lease, and takes what tells the others of its death at once
    /// (a session lock on a connection of its own).
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant>;

    /// Renews the lease. MUST NOT bring a worker back that is marked dead.
    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal>;

    /// Gives the lease back: the worker is marked dead, what it still owns becomes claimable.
    async fn release(&self, id: WorkerId) -> Result<Takeover>;

    /// Marks workers dead whose lease has run out or whose session is gone, and makes their executions
    /// claimable. MUST wait for a commit of theirs that is under way, and MUST NOT let them commit
    /// afterwards. An execution that made no progress since its last takeover has its claims counted.
    async fn take_over(&self, finder: WorkerId) -> Result<Takeover>;

    /// How many workers are alive.
    async fn count_live(&self) -> Result<u32>;
}
