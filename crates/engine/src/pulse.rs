//! Slow loops that a process runs for all: the look for dead workers, and the roll-up of metrics.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{core::Chain, life::Life};

/// Looks for dead workers until the life ends; at once, because the one before this life may be among them.
pub(crate) async fn take_over(life: Arc<Life>) {
    let every = life.core.options.takeover_poll;
    loop {
        let (workers, finder) = (Arc::clone(&life.core.ports.workers), life.lease.worker);
        let found = tokio::select! {
            () = life.lease.ended.cancelled() => return,
            found = life.core.call(async move { workers.take_over(finder).await }) => found,
        };
        match found {
            Ok(takeover) if takeover.workers > 0 => {
                tracing::warn!(takeover.workers, takeover.executions, "dead workers were found");
                life.hints.claim();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %Chain(&error), "the look for dead workers failed"),
        }
        tokio::select! {
            () = life.lease.ended.cancelled() => return,
            () = tokio::time::sleep(spread(&life, every)) => {}
        }
    }
}

/// Rolls metrics up: soon after something ended, and now and then for what others left behind.
pub(crate) async fn fold(life: Arc<Life>) {
    const EVERY: Duration = Duration::from_secs(1);
    const AT_THE_LATEST: Duration = Duration::from_mins(1);
    let mut folded_at = Instant::now();
    loop {
        tokio::select! {
            () = life.lease.ended.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if !life.uncounted.swap(false, Ordering::AcqRel) && folded_at.elapsed() < AT_THE_LATEST {
            continue;
        }
        let counters = Arc::clone(&life.core.ports.counters);
        folded_at = Instant::now();
        if let Err(error) = life.core.call(async move { counters.fold().await }).await {
            life.uncounted.store(true, Ordering::Release);
            tracing::warn!(error = %Chain(&error), "the metrics could not be rolled up");
        }
    }
}

/// Up to a twentieth less than a period, by the id of the worker: processes that were started together drift apart.
fn spread(life: &Life, period: Duration) -> Duration {
    let share = u32::from(life.lease.worker.as_uuid().as_bytes().last().copied().unwrap_or_default());
    period.saturating_sub(period / 20 * share / 255)
}
