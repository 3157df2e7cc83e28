//! What goes to the journal, and what is done when it is durable.
//!
//! Each lane has one batch under way at a time; what gathers meanwhile is the next. When there is much to do, a batch
//! takes half of it: the database commits the one while the runs of the other go on.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::OwnedMutexGuard;
use turbocat_domain::{
    execution::TriggerType,
    id::ExecutionId,
    port::{JournalBatch, ParkedExecution},
    run::{Command, Event},
    step_run::StepRecord,
};
use turbocat_planted::{Bug, is_planted};

use super::{
    Shard, SlotKey,
    lane::{Ack, Entry, Fact, InFlight, Lane},
};
use crate::journal_writer::Committed;

impl Shard {
    /// Hands what has gathered to those writers of the journal that are idle.
    pub(super) fn flush(&mut self) {
        self.lanes.change();
        for lane in 0..self.lanes.count() {
            self.flush_lane(lane);
        }
    }

    fn flush_lane(&mut self, number: usize) {
        let bytes_max = self.life.core.options.batch_bytes_max;
        while !self.lanes.are_changing() {
            let rows_max = self.batch_rows_max(number);
            let Some(lane) = self.lanes.get(number).filter(|lane| lane.is_idle()) else { return };
            let (mut batch, mut acks) = lane.gather(rows_max, bytes_max);
            let parking = self.gather_parks(number, &mut batch, &mut acks);
            if batch.is_empty() && acks.is_empty() {
                return;
            }
            if batch.is_empty() {
                // Facts about whole runs with nothing before them.
                for ack in acks {
                    self.acknowledge(ack);
                }
            } else if let Some(lane) = self.lanes.get(number) {
                return lane.send(batch, InFlight { acks, parking });
            }
        }
    }

    /// How many rows the next batch takes: half of what is going on, or all if that is little.
    fn batch_rows_max(&mut self, lane: usize) -> usize {
        const WORTH_HALVING: usize = 512;
        let (most, lanes) = (self.life.core.options.batch_records_max, self.lanes.count().max(1));
        let pending = self.lanes.get(lane).map_or(0, |lane| lane.len());
        let going_on = pending + self.running / lanes;
        if going_on < WORTH_HALVING { most } else { most.min(going_on.div_ceil(2)) }
    }

    /// Hands the next batch over before what follows from the last one is done: the database need not wait for that.
    fn flush_ahead(&mut self, lane: usize) {
        // A batch of nothing but facts about whole runs would be acknowledged at once, before the last one.
        if self.lanes.get(lane).is_some_and(|lane| lane.has_rows()) {
            self.flush_lane(lane);
        }
    }

    /// Takes what is to be parked, unless mail is being taken or executions are being claimed.
    fn gather_parks(
        &mut self,
        lane: usize,
        batch: &mut JournalBatch,
        acks: &mut Vec<Ack>,
    ) -> Option<OwnedMutexGuard<()>> {
        if self.parks.is_empty() || self.draining || !self.mailbox.allows_parking() {
            return None;
        }
        let nothing_is_claimed = Arc::clone(&self.life.hints.hand_over).try_lock_owned().ok()?;
        // Records that did not fit into this batch go before: once a run is parked, anybody may own it.
        let behind = self.lanes.get(lane).map(|lane| lane.recorded()).unwrap_or_default();
        let stays =
            |(_, parked): &(SlotKey, ParkedExecution)| self.lanes.of(parked.id) != lane || behind.contains(&parked.id);
        let (kept, parks): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.parks).into_iter().partition(stays);
        self.parks = kept;
        if parks.is_empty() {
            return None;
        }
        acks.extend(parks.iter().map(|(key, parked)| Ack::Parked(*key, parked.wake_at)));
        batch.parked.extend(parks.into_values());
        Some(nothing_is_claimed)
    }

    /// A batch is durable: what it holds is true from now on.
    pub(super) fn committed(&mut self, committed: &Committed) {
        let Committed { lane, batch, refused } = committed;
        let Some(in_flight) = self.lanes.get(*lane).and_then(Lane::take_in_flight) else { return };
        if refused.is_empty() {
            self.flush_ahead(*lane);
        }
        let stands = |id: &ExecutionId| refused.is_empty() || !refused.contains(id);
        let records = batch.records.iter().filter(|record| stands(&record.execution_id));
        let finished = batch.finished.iter().filter(|finished| stands(&finished.id));
        self.life.core.tally.committed(records.clone(), finished.clone());
        self.life.core.watchers.publish(records, finished);
        self.tell_others(batch);
        for ack in in_flight.acks {
            if refused.is_empty() || !self.id_of(&ack).is_some_and(|id| refused.contains(&id)) {
                self.acknowledge(ack);
            } else if let Ack::Finished { slot: None, id } = ack {
                self.is_refused(id);
            }
        }
        for id in refused {
            if let Some(key) = self.index.get(id).copied() {
                self.refused(key);
            }
        }
    }

    /// Wakes parents, and has metrics rolled up.
    fn tell_others(&mut self, batch: &JournalBatch) {
        if !batch.finished.is_empty() || batch.records.iter().any(|record| record.agent_id.is_some()) {
            self.life.uncounted.store(true, Ordering::Release);
        }
        if batch.finished.iter().any(|finished| self.is_scheduled(finished.id)) {
            // A tick may wait for it.
            self.life.timetable.look();
        }
        for (parent, _) in batch.finished.iter().filter_map(|finished| finished.parent.as_ref()) {
            if self.index.contains_key(parent) {
                self.mailbox.is_wanted = true;
            } else {
                self.life.hints.claim();
            }
        }
        if batch.parked.iter().any(|parked| !parked.waits.is_empty()) {
            // What it waits for may have come before the wait was registered.
            self.life.hints.claim();
        }
    }

    fn is_scheduled(&self, id: ExecutionId) -> bool {
        let slot = self.index.get(&id).and_then(|key| self.slots.get(*key));
        slot.is_some_and(|slot| slot.run.context().trigger_type == TriggerType::Scheduled)
    }

    fn id_of(&self, ack: &Ack) -> Option<ExecutionId> {
        match ack {
            Ack::Finished { id, .. } => Some(*id),
            Ack::Fact(Fact { slot, .. }) | Ack::Parked(slot, _) => self.slots.get(*slot).map(|slot| slot.id),
        }
    }

    fn acknowledge(&mut self, ack: Ack) {
        match ack {
            Ack::Fact(fact) => self.is_durable(fact),
            Ack::Finished { slot: Some(key), .. } => {
                self.remove_slot(key);
            }
            Ack::Finished { slot: None, id } => self.is_refused(id),
            Ack::Parked(key, wake_at) => {
                self.life.hints.due_at(wake_at);
                self.remove_slot(key);
            }
        }
    }

    /// Takes a fact in. The run goes on from it at once, and what is only stored goes to the journal with it; what is
    /// to be done waits until it is durable.
    pub(super) fn take_fact(&mut self, key: SlotKey, event: &Event) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(key) else { return };
        let record = slot.run.record(event, now);
        let commands = match slot.run.apply(event, now) {
            Ok(commands) => commands,
            Err(refused) => {
                tracing::error!(execution.id = %slot.id, ?event, %refused, "a run refuses a fact about itself");
                return;
            }
        };
        let (stored, mut then): (Vec<_>, Vec<_>) = commands
            .into_iter()
            .partition(|command| matches!(command, Command::Record(_)) || is_planted(Bug::SuccessorBeforeCommit));
        // An end with nothing else to be done is only stored, too.
        let only_ends = slot.held == 0
            && matches!(then.as_slice(), [Command::Finish(outcome)] if !slot.would_be_followed(outcome.status));
        let end = if only_ends { then.pop() } else { None };
        self.queue_fact(key, record, stored, then);
        if let Some(Command::Finish(outcome)) = end {
            self.finish(key, outcome);
        }
    }

    fn queue_fact(&mut self, key: SlotKey, record: Option<StepRecord>, stored: Vec<Command>, then: Vec<Command>) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.unacknowledged += 1;
        slot.held += u32::from(!then.is_empty());
        let (id, fact) = (slot.id, Fact { slot: key, then });
        self.lanes.push(match record {
            Some(record) => Entry::Fact(Box::new(record), fact),
            None => Entry::Whole(id, fact),
        });
        self.perform(key, stored);
    }

    fn is_durable(&mut self, fact: Fact) {
        let Fact { slot: key, then } = fact;
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.unacknowledged = slot.unacknowledged.saturating_sub(1);
        slot.held = slot.held.saturating_sub(u32::from(!then.is_empty()));
        self.perform(key, then);
        self.settle(key);
    }
}
