//! Slow loops that a process runs for all: the look for dead workers, the roll-up of metrics, and the count of those
//! who share the database.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{backoff::Backoff, core::Chain, life::Life, shard::Message};

/// Looks for dead workers until the life ends; at once, because the one before this life may be among them.
pub(crate) async fn take_over(life: Arc<Life>) {
    let mut backoff = Backoff::default();
    loop {
        let (workers, finder) = (Arc::clone(&life.core.ports.workers), life.lease.worker);
        let found = tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            found = life.core.call(async move { workers.take_over(finder).await }) => found,
        };
        let every = spread(&life, pause(&life));
        let pause = match found {
            Ok(takeover) => {
                backoff = Backoff::default();
                if takeover.workers > 0 {
                    tracing::warn!(takeover.workers, takeover.executions, "dead workers were found");
                    life.hints.claim();
                }
                every
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the look for dead workers failed");
                // Those who were found wait for it.
                backoff.next().min(every)
            }
        };
        tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The pause until the next look: who has work looks four times as often, so that what a dead worker had goes on within
/// two seconds even if the first who finds it fails.
fn pause(life: &Life) -> Duration {
    let every = life.core.options.takeover_poll;
    if life.held() == 0 { every } else { every / 4 }
}

/// Looks how many workers share the database, while there is work: each has its part of the commits at once.
pub(crate) async fn count(life: Arc<Life>) {
    const EVERY: Duration = Duration::from_secs(5);
    loop {
        if life.held() > 0 {
            let workers = Arc::clone(&life.core.ports.workers);
            match life.core.call(async move { workers.count_live().await }).await {
                // A closed inbox means that this life is over.
                Ok(count) => drop(life.shard.send(Message::Workers(count))),
                Err(error) => tracing::debug!(error = %Chain(&error), "the workers could not be counted"),
            }
        }
        tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            () = tokio::time::sleep(spread(&life, EVERY)) => {}
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
            biased;
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
