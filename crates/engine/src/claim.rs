//! The claim loop: takes due executions on, as many as there are places for.
//!
//! It claims when it is told that there may be something (a hint), when an execution becomes due that it knows of,
//! and otherwise looks now and then. Nothing depends on hints: they only make it faster.

use std::{
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Mutex, Notify, RwLock, oneshot},
    time::Instant,
};
use turbocat_domain::{
    id::ExecutionId,
    port::{ClaimRequest, Clock, Result},
};
use turbocat_planted::{Bug, is_planted};

use crate::{backoff::Backoff, core::pause, life::Life, shard::Message};

/// What the claim loop is told by others.
#[derive(Default)]
pub(crate) struct Hints {
    changed: Notify,
    /// There may be something to claim.
    claim: AtomicBool,
    /// It is not known what the worker owns: an answer was lost.
    unsure: AtomicBool,
    /// The last claim left something behind for want of places.
    starved: AtomicBool,
    /// The earliest time at which an execution is known to become due.
    due: StdMutex<Option<DateTime<Utc>>>,
    /// Held while executions are being claimed, and while some are being parked: a commit that is made again must
    /// not park what the same worker has claimed since.
    pub(crate) hand_over: Arc<Mutex<()>>,
    /// Held for reading while executions are on their way to the shard, for writing while nothing may be.
    pub(crate) intake: RwLock<()>,
}

impl Hints {
    /// There may be something to claim.
    pub(crate) fn claim(&self) {
        self.claim.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// An answer was lost that may have given executions to this worker: those that it does not know are handed back.
    pub(crate) fn unsure(&self) {
        self.unsure.store(true, Ordering::Release);
        self.claim();
    }

    /// There are enough places again for a claim to be worth it.
    pub(crate) fn room(&self) {
        if self.starved.swap(false, Ordering::AcqRel) {
            self.claim();
        }
    }

    /// An execution becomes due then.
    pub(crate) fn due_at(&self, at: DateTime<Utc>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|known| at < known) {
            *due = Some(at);
            self.changed.notify_one();
        }
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_due(&self, due: Option<DateTime<Utc>>) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }
}

/// Claims until the life ends or its executions are handed back.
pub(crate) async fn claim(life: Arc<Life>) {
    let mut backoff = Backoff::default();
    let mut look_at = Instant::now();
    life.hints.claim();
    while life.is_alive() {
        let result = tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            result = round(&life, &mut look_at) => result,
        };
        match result {
            Ok(()) => backoff = Backoff::default(),
            Err(error) => pause("queue.claim", &error, backoff.next()).await,
        }
        if life.timetable.is_burst() {
            tokio::time::sleep(GIVES_WAY).await;
        }
        wait(&life, look_at).await;
    }
}

/// Places that were not there, a time that the database's clock has not reached, and what is due behind what is being
/// claimed are asked for gently.
const PAUSE: Duration = Duration::from_millis(5);

/// How long the claim loop gives way to a burst of schedules.
const GIVES_WAY: Duration = Duration::from_secs(1);
/// How many it takes then: what waits for a place beside the burst is not forgotten.
const BESIDE_A_BURST: usize = 100;

/// Sleeps until there is a reason to look or to claim.
async fn wait(life: &Life, look_at: Instant) {
    if life.hints.claim.load(Ordering::Acquire) {
        return;
    }
    let due_at = life.hints.due().map(|due| Instant::now() + life.core.clock.until(due).max(PAUSE));
    let until = due_at.map_or(look_at, |due| due.min(look_at));
    tokio::select! {
        biased;
        () = life.lease.ended.cancelled() => {}
        () = life.core.draining.cancelled() => {}
        () = life.hints.changed.notified() => {}
        () = tokio::time::sleep_until(until) => {}
    }
}

async fn round(life: &Arc<Life>, look_at: &mut Instant) -> Result<()> {
    if life.hints.unsure.swap(false, Ordering::AcqRel)
        && let Err(error) = release_unknown(life).await
    {
        life.hints.unsure();
        return Err(error);
    }
    let is_due = life.hints.due().is_some_and(|due| due <= life.core.clock.now());
    if (life.hints.claim.swap(false, Ordering::AcqRel) || is_due)
        && let Err(error) = claim_all(life).await
    {
        if is_planted(Bug::UnknownKept) {
            life.hints.claim();
        } else {
            life.hints.unsure();
        }
        return Err(error);
    }
    if is_due || Instant::now() >= *look_at {
        let is_more_due = look(life).await?;
        let options = &life.core.options;
        let poll = if life.held() == 0 { options.idle_poll } else { options.busy_poll };
        // What becomes due behind it is not known before it is claimed, be it by others. Without places, nothing is.
        let is_starved = life.hints.starved.load(Ordering::Acquire);
        *look_at = Instant::now() + if is_more_due && !is_starved { PAUSE } else { poll };
    }
    Ok(())
}

/// Learns when the next execution becomes due, and tells the scheduler when the next schedule does. Returns whether one
/// is due already.
async fn look(life: &Arc<Life>) -> Result<bool> {
    let queue = Arc::clone(&life.core.ports.queue);
    let due = life.core.call(async move { queue.next_due().await }).await?;
    life.timetable.set_next(due.schedule);
    match due.execution {
        Some(due) if due <= life.core.clock.now() => {
            life.hints.set_due(None);
            life.hints.claim.store(true, Ordering::Release);
            Ok(true)
        }
        due => {
            life.hints.set_due(due);
            Ok(false)
        }
    }
}

/// Claims until nothing is due any more or no places are left.
async fn claim_all(life: &Arc<Life>) -> Result<()> {
    let batch = usize::try_from(life.core.options.claim_batch).unwrap_or(usize::MAX);
    while life.is_open() {
        let is_burst = life.timetable.is_burst();
        let places = life.reserve(if is_burst { batch.min(BESIDE_A_BURST) } else { batch });
        if places == 0 {
            life.hints.starved.store(true, Ordering::Release);
            // Places that became free in between told nobody.
            life.release(0);
            return Ok(());
        }
        let claimed = claim_batch(life, places).await;
        let taken = *claimed.as_ref().unwrap_or(&0);
        life.release(places - taken);
        if claimed? < places {
            return Ok(());
        }
        if is_burst {
            // The rest comes after what is due is accepted.
            life.hints.claim();
            return Ok(());
        }
    }
    Ok(())
}

async fn claim_batch(life: &Arc<Life>, places: usize) -> Result<usize> {
    let request = ClaimRequest { worker: life.lease.worker, limit: u32::try_from(places).unwrap_or(u32::MAX) };
    let queue = Arc::clone(&life.core.ports.queue);
    let result = {
        let _nothing_is_parked = life.hints.hand_over.lock().await;
        life.core.call(async move { queue.claim(request).await }).await.map(|claimed| {
            let taken = claimed.len();
            for execution in claimed {
                // A closed inbox means that this life is over; the next owner learns of them from the database.
                let _closed = life.shard.send(Message::Adopt(Box::new(execution)));
            }
            taken
        })
    };
    // What was to be parked meanwhile can be.
    let _closed = life.shard.send(Message::MayPark);
    result
}

/// Hands back what a claim may have given whose answer was lost.
async fn release_unknown(life: &Arc<Life>) -> Result<()> {
    let _nothing_on_its_way = life.hints.intake.write().await;
    let Some(known) = known(life).await else { return Ok(()) };
    let (queue, worker) = (Arc::clone(&life.core.ports.queue), life.lease.worker);
    let released = life.core.call(async move { queue.release_unknown(worker, &known).await }).await?;
    if released > 0 {
        tracing::warn!(released, "executions of a claim whose answer was lost were handed back");
    }
    Ok(())
}

async fn known(life: &Life) -> Option<Vec<ExecutionId>> {
    let (answer, known) = oneshot::channel();
    life.shard.send(Message::List(answer)).ok()?;
    known.await.ok()
}
