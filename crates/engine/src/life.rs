//! One life of a worker: from the grant of a lease to its end, with all loops that live under it.
//!
//! Everything that a worker holds in memory belongs to its life and goes with it. What the next life owns it
//! learns from the database alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{self, UnboundedSender};

use crate::{
    claim::{self, Hints},
    core::Core,
    journal_writer,
    lease::{self, Lease, LeaseEnd},
    pulse,
    schedule::{self, Timetable},
    shard::{Message, Shard},
};

/// What the loops of a life share.
pub(crate) struct Life {
    pub(crate) core: Arc<Core>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) shard: UnboundedSender<Message>,
    pub(crate) hints: Hints,
    pub(crate) timetable: Timetable,
    /// Whether something was committed that metrics are made of.
    pub(crate) uncounted: AtomicBool,
    /// Executions that are held in memory, or about to be.
    held: AtomicUsize,
}

impl Life {
    /// Takes places for up to `wanted` executions; returns how many there were.
    pub(crate) fn reserve(&self, wanted: usize) -> usize {
        let most = self.core.options.max_executions;
        let take = |held: usize| Some(held + wanted.min(most.saturating_sub(held)));
        let before = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).unwrap_or(most);
        wanted.min(most.saturating_sub(before))
    }

    /// Gives places back. A claim that waits for places is made when a sixteenth of them is free: at the limit,
    /// one claim takes many executions.
    pub(crate) fn release(&self, places: usize) {
        let held = self.held.fetch_sub(places, Ordering::AcqRel).saturating_sub(places);
        let most = self.core.options.max_executions;
        if most - held.min(most) >= (most / 16).max(1) {
            self.hints.room();
        }
    }

    /// There may be something to claim, and mail.
    pub(crate) fn wake(&self) {
        self.hints.claim();
        // A closed inbox means that this life is over.
        let _closed = self.shard.send(Message::Mail);
    }

    /// How many executions are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Whether it goes on: it has not ended, and is not being handed back.
    pub(crate) fn is_alive(&self) -> bool {
        !self.lease.ended.is_cancelled() && !self.core.draining.is_cancelled()
    }

    /// Whether executions may be taken on.
    pub(crate) fn is_open(&self) -> bool {
        self.lease.is_trusted() && !self.core.draining.is_cancelled()
    }
}

/// Lives until the lease ends, and tells why it did.
pub(crate) async fn live(core: &Arc<Core>, lease: Lease) -> LeaseEnd {
    let lease = Arc::new(lease);
    let (shard, inbox) = mpsc::unbounded_channel();
    let lanes = core.options.journal_lanes.max(1);
    let (journals, writers): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::unbounded_channel()).unzip();
    let life = Arc::new(Life {
        core: Arc::clone(core),
        lease: Arc::clone(&lease),
        shard,
        hints: Hints::default(),
        timetable: Timetable::default(),
        uncounted: AtomicBool::new(false),
        held: AtomicUsize::new(0),
    });
    core.set_life(Some(Arc::clone(&life)));
    tracing::info!(worker.id = %lease.worker, "the worker is registered");

    core.tasks.spawn(lease::keep(Arc::clone(core), Arc::clone(&lease)));
    for (lane, batches) in writers.into_iter().enumerate() {
        core.tasks.spawn(journal_writer::write(Arc::clone(&life), lane, batches));
    }
    core.tasks.spawn(claim::claim(Arc::clone(&life)));
    core.tasks.spawn(schedule::fire(Arc::clone(&life)));
    core.tasks.spawn(pulse::take_over(Arc::clone(&life)));
    core.tasks.spawn(pulse::fold(Arc::clone(&life)));
    core.tasks.spawn(pulse::count(Arc::clone(&life)));
    let crashed = core.tasks.spawn(Shard::new(Arc::clone(&life), inbox, journals).run()).await.is_err();
    core.set_life(None);

    lease.end(if crashed { LeaseEnd::Crashed } else { LeaseEnd::Drained });
    lease.reason().unwrap_or(LeaseEnd::Drained)
}
