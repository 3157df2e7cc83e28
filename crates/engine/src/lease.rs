//! The lease of a worker: how long it may believe that its executions are its own.
//!
//! # Invariants
//!
//! 1. A lease is trusted only until `asked at + lease − margin` on the monotonic clock; the database, which counts
//!    from when it granted it, takes it away later than that.
//! 2. A lease that has ended stays ended: the process comes back as another worker.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use turbocat_domain::{
    id::WorkerId,
    port::{NewWorker, Renewal, Result},
};

use crate::core::{Chain, Core};

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// The database says that the worker is dead.
    Fenced,
    /// It could not be renewed in time.
    Lapsed,
    /// A part of the engine crashed.
    Crashed,
    /// The engine was asked to stop, and has handed over what it had.
    Drained,
}

/// A lease, from its grant to its end.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) worker: WorkerId,
    /// Cancelled when it ends.
    pub(crate) ended: CancellationToken,
    origin: Instant,
    trusted_until_us: AtomicU64,
    end: OnceLock<LeaseEnd>,
}

impl Lease {
    fn new(worker: WorkerId, trusted_until: Instant, parent: &CancellationToken) -> Self {
        let origin = Instant::now();
        let lease = Self {
            worker,
            ended: parent.child_token(),
            origin,
            trusted_until_us: AtomicU64::new(0),
            end: OnceLock::new(),
        };
        lease.trust_until(trusted_until);
        lease
    }

    /// Whether the worker may act: start steps, and commit.
    pub(crate) fn is_trusted(&self) -> bool {
        !self.ended.is_cancelled() && Instant::now() < self.trusted_until()
    }

    /// Ends it. The first reason stays.
    pub(crate) fn end(&self, reason: LeaseEnd) {
        if self.end.set(reason).is_ok() {
            self.ended.cancel();
        }
    }

    /// Why it ended.
    pub(crate) fn reason(&self) -> Option<LeaseEnd> {
        self.end.get().copied()
    }

    /// How long ago it was asked for the last time with success, where a lease is trusted for so long.
    pub(crate) fn age(&self, trust: Duration) -> Duration {
        (Instant::now() + trust).saturating_duration_since(self.trusted_until())
    }

    fn trusted_until(&self) -> Instant {
        self.origin + Duration::from_micros(self.trusted_until_us.load(Ordering::Acquire))
    }

    fn trust_until(&self, until: Instant) {
        let us = u64::try_from(until.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX);
        self.trusted_until_us.store(us, Ordering::Release);
    }
}

/// Registers the process as a new worker. After a failure it is not known whether the worker exists, so each try
/// has an id of its own; a worker of which nobody hears is taken for dead.
pub(crate) async fn register(core: &Arc<Core>) -> Result<Lease> {
    let worker = WorkerId::from_uuid(core.ports.ids.next());
    let new = NewWorker { id: worker, name: core.options.name.clone(), lease_ms: core.options.lease_ms() };
    let workers = Arc::clone(&core.ports.workers);
    let sent_at = Instant::now();
    let grant = core.call(async move { workers.register(&new).await }).await?;
    core.clock.observe(grant.granted_at, sent_at, Instant::now());
    Ok(Lease::new(worker, sent_at + core.options.trust(), &core.killed))
}

/// Renews a lease until it ends; ends it when it cannot be trusted any more.
pub(crate) async fn keep(core: Arc<Core>, lease: Arc<Lease>) {
    let mut next = Instant::now() + core.options.renew_every();
    loop {
        tokio::select! {
            biased;
            () = lease.ended.cancelled() => return,
            () = tokio::time::sleep_until(lease.trusted_until()) => return lease.end(LeaseEnd::Lapsed),
            () = tokio::time::sleep_until(next) => {}
        }
        tokio::select! {
            biased;
            () = lease.ended.cancelled() => return,
            // Before the lapse: storage counts from the same renewal, so what it granted in time holds.
            renewed = renew(&core, &lease) => next = Instant::now() + renewed,
            () = tokio::time::sleep_until(lease.trusted_until()) => return lease.end(LeaseEnd::Lapsed),
        }
    }
}

/// Renews a lease once. Returns the pause until the next renewal.
async fn renew(core: &Arc<Core>, lease: &Lease) -> Duration {
    const AFTER_FAILURE: Duration = Duration::from_millis(250);
    let (workers, worker, lease_ms) = (Arc::clone(&core.ports.workers), lease.worker, core.options.lease_ms());
    let sent_at = Instant::now();
    match core.call(async move { workers.renew(worker, lease_ms).await }).await {
        Ok(Renewal::Renewed(grant)) => {
            core.clock.observe(grant.granted_at, sent_at, Instant::now());
            lease.trust_until(sent_at + core.options.trust());
            core.options.renew_every()
        }
        Ok(Renewal::Fenced) => {
            lease.end(LeaseEnd::Fenced);
            Duration::ZERO
        }
        Err(error) => {
            tracing::warn!(worker.id = %lease.worker, error = %Chain(&error), "the lease could not be renewed");
            AFTER_FAILURE.min(core.options.renew_every())
        }
    }
}
