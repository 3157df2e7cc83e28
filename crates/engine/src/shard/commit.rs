//! What goes to the journal, and what is done when it is durable.
//!
//! There is one batch under way at a time; what gathers meanwhile is the next.

use std::sync::{Arc, atomic::Ordering};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use turbocat_domain::{
    id::ExecutionId,
    port::{FinishedExecution, JournalBatch},
    run::{Event, TransitionError},
    step_run::{StepOutcome, StepRecord},
};

use super::{Shard, SlotKey};
use crate::journal_writer::Committed;

/// A fact about a run that is to be applied.
pub(super) struct Fact {
    pub(super) slot: SlotKey,
    pub(super) event: Event,
    /// When it became known: what is recorded of it.
    pub(super) at: DateTime<Utc>,
}

/// Something to be committed.
pub(super) enum Entry {
    /// A fact about a step: recorded first, then applied.
    Fact(Box<StepRecord>, Fact),
    /// A fact about a whole run: applied after those before it, stored with the run's end.
    Whole(Fact),
    /// A record for which nothing waits.
    Record(Box<StepRecord>),
    /// The end of an execution.
    Finish {
        /// Where it is held; `None` for one that never came into memory.
        slot: Option<SlotKey>,
        finished: Box<FinishedExecution>,
    },
}

impl Entry {
    /// Whether it is about this execution.
    pub(super) fn is_about(&self, slot: SlotKey, id: ExecutionId) -> bool {
        match self {
            Self::Fact(_, fact) | Self::Whole(fact) => fact.slot == slot,
            Self::Record(record) => record.execution_id == id,
            Self::Finish { finished, .. } => finished.id == id,
        }
    }
}

/// What is done when a batch is durable.
enum Ack {
    Apply(Fact),
    Finished { slot: Option<SlotKey>, id: ExecutionId },
    Parked(SlotKey, DateTime<Utc>),
}

/// A batch that is being committed.
pub(super) struct InFlight {
    acks: Vec<Ack>,
    /// Held if something is being parked: nothing is claimed meanwhile.
    parking: Option<OwnedMutexGuard<()>>,
}

impl InFlight {
    /// Whether something is being parked.
    pub(super) const fn parks(&self) -> bool {
        self.parking.is_some()
    }
}

impl Shard {
    /// Hands what has gathered to the journal's writer, if that is idle.
    pub(super) fn flush(&mut self) {
        while self.in_flight.is_none() {
            let (mut batch, mut acks) = self.gather();
            let parking = self.gather_parks(&mut batch, &mut acks);
            if batch.is_empty() && acks.is_empty() {
                return;
            }
            if batch.is_empty() {
                // Facts about whole runs with nothing before them.
                for ack in acks {
                    self.acknowledge(ack);
                }
                continue;
            }
            self.in_flight = Some(InFlight { acks, parking });
            if self.journal.send(batch).is_err() {
                // The writer has gone with the lease, which the loop is about to see.
                return;
            }
        }
    }

    /// Takes what has gathered, as much as one batch holds.
    fn gather(&mut self) -> (JournalBatch, Vec<Ack>) {
        let (records_max, bytes_max) =
            (self.life.core.options.batch_records_max, self.life.core.options.batch_bytes_max);
        let (mut batch, mut acks, mut bytes) = (JournalBatch::default(), Vec::new(), 0);
        while batch.records.len() + batch.finished.len() < records_max
            && bytes < bytes_max
            && let Some(entry) = self.pending.pop_front()
        {
            match entry {
                Entry::Fact(record, fact) => {
                    bytes += weight_of(&record);
                    batch.records.push(*record);
                    acks.push(Ack::Apply(fact));
                }
                Entry::Whole(fact) => acks.push(Ack::Apply(fact)),
                Entry::Record(record) => {
                    bytes += weight_of(&record);
                    batch.records.push(*record);
                }
                Entry::Finish { slot, finished } => {
                    bytes += weight(&finished.output);
                    acks.push(Ack::Finished { slot, id: finished.id });
                    batch.finished.push(*finished);
                }
            }
        }
        (batch, acks)
    }

    /// Takes what is to be parked, unless mail is being taken or executions are being claimed.
    fn gather_parks(&mut self, batch: &mut JournalBatch, acks: &mut Vec<Ack>) -> Option<OwnedMutexGuard<()>> {
        if self.parks.is_empty() || self.draining || !self.mailbox.allows_parking() {
            return None;
        }
        let nothing_is_claimed = Arc::clone(&self.life.hints.hand_over).try_lock_owned().ok()?;
        let parks = std::mem::take(&mut self.parks);
        acks.extend(parks.iter().map(|(key, parked)| Ack::Parked(*key, parked.wake_at)));
        batch.parked.extend(parks.into_values());
        Some(nothing_is_claimed)
    }

    /// A batch is durable: what it holds is true from now on.
    pub(super) fn committed(&mut self, committed: &Committed) {
        let Committed { batch, refused } = committed;
        let Some(in_flight) = self.in_flight.take() else { return };
        let stands = |id: &ExecutionId| refused.is_empty() || !refused.contains(id);
        self.life.core.watchers.publish(
            batch.records.iter().filter(|record| stands(&record.execution_id)),
            batch.finished.iter().filter(|finished| stands(&finished.id)),
        );
        self.tell_others(batch);
        for ack in in_flight.acks {
            if refused.is_empty() || !self.id_of(&ack).is_some_and(|id| refused.contains(&id)) {
                self.acknowledge(ack);
            } else if let Ack::Finished { slot: None, .. } = ack {
                self.life.release(1);
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

    fn id_of(&self, ack: &Ack) -> Option<ExecutionId> {
        match ack {
            Ack::Finished { id, .. } => Some(*id),
            Ack::Apply(Fact { slot, .. }) | Ack::Parked(slot, _) => self.slots.get(*slot).map(|slot| slot.id),
        }
    }

    fn acknowledge(&mut self, ack: Ack) {
        match ack {
            Ack::Apply(fact) => self.apply(&fact),
            Ack::Finished { slot: Some(key), .. } => {
                self.remove_slot(key);
            }
            Ack::Finished { slot: None, .. } => self.life.release(1),
            Ack::Parked(key, wake_at) => {
                self.life.hints.due_at(wake_at);
                self.remove_slot(key);
            }
        }
    }

    fn apply(&mut self, fact: &Fact) {
        let Some(slot) = self.slots.get_mut(fact.slot) else { return };
        slot.unapplied = slot.unapplied.saturating_sub(1);
        match slot.run.apply(&fact.event, fact.at) {
            Ok(commands) => {
                self.perform(fact.slot, commands);
                self.settle(fact.slot);
            }
            Err(TransitionError::Unknown) => {
                tracing::error!(execution.id = %slot.id, event = ?fact.event, "a run does not know its own step");
            }
            // It lost against another: its step was cancelled while its record was on its way.
            Err(late) => tracing::debug!(execution.id = %slot.id, %late, "a fact came too late"),
        }
    }
}

fn weight_of(record: &StepRecord) -> usize {
    const ROW: usize = 200;
    match &record.outcome {
        StepOutcome::Completed(output) => ROW + weight(output),
        _ => ROW,
    }
}

/// Roughly how many bytes a value has.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 8,
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>() + 8,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}
