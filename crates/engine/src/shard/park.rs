//! Parking: an execution that only waits is written out and leaves memory.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::port::{ParkedExecution, WaitRecord};
use turbocat_planted::{Bug, is_planted};

use super::{
    Shard, SlotKey, Timer,
    slot::{Active, Phase, Short, Slot, Waiting},
};

/// A parent stays so long in memory for its children: most are short, and end in the same process.
const LINGER: TimeDelta = TimeDelta::seconds(2);

/// Events that were looked up, and did not end a wait, are not looked up again once they are this old: by then
/// nothing older can still come to light.
const EVENTS_SETTLE: TimeDelta = TimeDelta::seconds(10);

/// How often events are looked up for a run that is not parked.
const RECHECK: TimeDelta = TimeDelta::seconds(2);

impl Shard {
    /// Parks a run if it only waits; if it waits and does other things, sees to it that events are looked up.
    pub(super) fn settle(&mut self, key: SlotKey) {
        let now = self.now;
        let soon = now + span(self.life.core.options.park_after);
        let is_full = self.life.held() >= self.life.core.options.max_executions;
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live()) else { return };
        if slot.is_paused {
            if slot.only_waits() {
                self.park(key);
            }
            return;
        }
        if slot.only_waits() && slot.active.values().all(|active| active.is_long(soon, now)) {
            let has_children = slot.children().next().is_some();
            if has_children && !is_full && !matches!(slot.phase, Phase::Lingering) {
                slot.phase = Phase::Lingering;
                self.timers.set(now + LINGER, Timer::Linger(key));
            } else if !has_children || is_full {
                self.park(key);
            }
        }
        self.recheck_later(key);
    }

    /// A run has waited for its children as long as it may in memory.
    pub(super) fn lingered(&mut self, key: SlotKey) {
        let now = self.now;
        let soon = now + span(self.life.core.options.park_after);
        let is_lingering = |slot: &&mut Slot| matches!(slot.phase, Phase::Lingering);
        let Some(slot) = self.slots.get_mut(key).filter(is_lingering) else { return };
        if slot.only_waits() && slot.active.values().all(|active| active.is_long(soon, now)) {
            self.park(key);
        } else {
            // It is looked at again when that which goes on has ended.
            slot.phase = Phase::Running;
        }
    }

    fn park(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.phase = Phase::Parking;
        let parked = ParkedExecution { id: slot.id, wake_at: slot.wake_at(), waits: slot.waits() };
        self.parks.insert(key, parked);
    }

    /// Takes a run back that is about to be parked.
    pub(super) fn unpark(&mut self, key: SlotKey) {
        if self.parks.remove(&key).is_some()
            && let Some(slot) = self.slots.get_mut(key)
        {
            slot.phase = Phase::Running;
        }
    }

    /// Nothing tells of events while a run is in memory, so they are looked up now and then.
    fn recheck_later(&mut self, key: SlotKey) {
        let now = self.now;
        if let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live() && slot.waits_for_events())
            && !slot.is_rechecked
        {
            slot.is_rechecked = true;
            let at = slot.events_read_at.map_or(now, |read_at| (read_at + RECHECK).max(now));
            self.timers.set(at, Timer::Recheck(key));
        }
    }

    pub(super) fn recheck(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.is_rechecked = false;
            if slot.is_live() && slot.waits_for_events() {
                self.request_read(key, false);
            }
        }
    }
}

impl Active {
    /// Whether it takes long enough to be written out.
    fn is_long(&self, soon: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        match self {
            Self::Delayed(start) | Self::Short(Short { start, .. }) => start.due > soon,
            Self::Waiting(waiting) => {
                waiting.until.is_none_or(|until| until > soon)
                    && waiting.seen_until.is_none_or(|seen| seen + EVENTS_SETTLE < now)
            }
            Self::Child(_) | Self::Held(_) => true,
            Self::Loading(_) | Self::Queued(_) | Self::Running(_) => false,
        }
    }

    fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Delayed(start) | Self::Short(Short { start, .. }) => Some(start.due),
            Self::Waiting(waiting) => waiting.until,
            Self::Loading(_) | Self::Queued(_) | Self::Running(_) | Self::Child(_) | Self::Held(_) => None,
        }
    }
}

impl Waiting {
    fn record(&self) -> Option<WaitRecord> {
        let event = self.event.as_ref()?;
        let since = self.seen_until.map_or(event.since, |seen| event.since.max(seen + TimeDelta::microseconds(1)));
        Some(WaitRecord { path: self.path.clone(), event_name: event.name.clone(), since })
    }
}

impl Slot {
    /// When the run must be looked at again, whatever happens.
    fn wake_at(&self) -> DateTime<Utc> {
        self.active.values().filter_map(Active::due_at).fold(self.deadline_at, DateTime::min)
    }

    fn waits(&self) -> Vec<WaitRecord> {
        let waiting = self.active.values().filter_map(|active| match active {
            Active::Waiting(waiting) => Some(waiting),
            _ => None,
        });
        waiting.filter(|_| !is_planted(Bug::WaitForgotten)).filter_map(Waiting::record).collect()
    }
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
