//! Pauses: a paused run begins nothing.
//!
//! What runs goes on to its end, and its result is recorded; what would begin, and what waits, is held back until the run
//! is resumed or taken on by somebody else. While it is paused nothing is taken in of what it waits for: neither ended
//! children nor events nor times. All of it is looked up again when it is resumed. When nothing runs any more it is
//! parked, and rests in storage.
//!
//! # Invariants
//!
//! 1. A run that is paused has no step that is delayed, loading, queued or waiting: all of these are held back.
//! 2. Of two letters the later one counts: no mail is taken while the state of a run is being looked up, so that what was
//!    looked up is never older than the letter before it.

use turbocat_domain::{
    port::ExecutionMail,
    run::{Event, StartStep, StepAddress},
};

use super::{
    Shard, SlotKey,
    slot::{Active, Phase, Short, Waiting},
};

/// What of a step is held back.
pub(super) enum Held {
    /// Its next attempt.
    Start(StartStep),
    /// Its wait.
    Wait(Waiting),
}

impl Shard {
    /// Acts on what is asked of an execution. One that has not arrived is told when it does.
    pub(super) fn deliver(&mut self, letter: ExecutionMail) {
        let Some(key) = self.index.get(&letter.id).copied() else { return self.keep(letter) };
        self.unpark(key);
        if letter.cancel_requested {
            self.stop(key, &Event::CancelRequested);
        }
        if letter.is_paused {
            self.pause(key);
        } else {
            self.resume(key);
        }
    }

    /// Keeps what is asked of an execution that is on its way here.
    fn keep(&mut self, letter: ExecutionMail) {
        if let Some(arrival) = self.arrivals.values_mut().flatten().find(|arrival| arrival.id == letter.id) {
            arrival.cancel_requested |= letter.cancel_requested;
            arrival.is_paused = letter.is_paused;
        } else if letter.cancel_requested || letter.is_paused {
            self.early.insert(letter.id, letter);
        } else {
            // One that arrives paused is looked up: it may have been resumed.
            self.early.remove(&letter.id);
        }
    }

    fn pause(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live() && !slot.is_paused) else { return };
        slot.is_paused = true;
        slot.phase = Phase::Running;
        let steps: Vec<StepAddress> = slot.active.keys().copied().collect();
        for step in steps {
            self.hold_back(key, step);
        }
        self.settle(key);
    }

    /// Holds back what of a step has not begun.
    fn hold_back(&mut self, key: SlotKey, step: StepAddress) {
        let active = self.slots.get(key).and_then(|slot| slot.active.get(&step));
        if active.is_none_or(|active| matches!(active, Active::Running(_) | Active::Child(_) | Active::Held(_))) {
            return;
        }
        let held = match self.take_active(key, step) {
            Some(Active::Delayed(start) | Active::Loading(start) | Active::Queued(start)) => Held::Start(start),
            // It asks for the budget again when it may.
            Some(Active::Short(Short { start, .. })) => Held::Start(StartStep { due: self.now, ..start }),
            Some(Active::Waiting(waiting)) => Held::Wait(waiting),
            Some(Active::Running(_) | Active::Child(_) | Active::Held(_)) | None => return,
        };
        self.set_active(key, step, Active::Held(held));
    }

    fn resume(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live() && slot.is_paused) else { return };
        slot.is_paused = false;
        let is_held = |(step, active): (&StepAddress, &Active)| matches!(active, Active::Held(_)).then_some(*step);
        let steps: Vec<StepAddress> = slot.active.iter().filter_map(is_held).collect();
        for step in steps {
            match self.take_active(key, step) {
                Some(Active::Held(Held::Start(start))) => self.start(key, start),
                Some(Active::Held(Held::Wait(waiting))) => self.set_active(key, step, Active::Waiting(waiting)),
                _ => {}
            }
        }
    }
}
