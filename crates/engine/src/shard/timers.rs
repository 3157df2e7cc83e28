//! All that is due at some time, in one ordered set: one sleep for thousands of waits.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use turbocat_domain::run::StepAddress;

use super::slab::SlotKey;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A run has taken as long as it may.
    Deadline(SlotKey),
    /// A retry is to be started, or a wait is over.
    Step(SlotKey, StepAddress),
    /// A run that only waits for children has stayed long enough.
    Linger(SlotKey),
    /// Events that a run waits for are to be looked up: nothing tells of them while it is not parked.
    Recheck(SlotKey),
}

/// What is due when. A timer that is not wanted any more is taken out, or finds nothing when it fires.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(DateTime<Utc>, Timer)>,
}

impl Timers {
    pub(super) fn set(&mut self, at: DateTime<Utc>, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(super) fn unset(&mut self, at: DateTime<Utc>, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    /// When the next one is due.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn pop(&mut self, now: DateTime<Utc>) -> Option<Timer> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
