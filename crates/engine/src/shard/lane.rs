//! The lanes of the journal. Each has a writer with a commit of its own under way, so that the database works on one
//! batch while another is on its way: one connection alone is the limit of one core of its server.
//!
//! # Invariants
//!
//! 1. Everything about an execution goes through one lane, in its order.
//! 2. A lane has one batch under way at a time; what gathers meanwhile is the next.
//! 3. The number of lanes in use changes only when nothing is under way in any.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::{OwnedMutexGuard, mpsc::UnboundedSender};
use turbocat_domain::{
    id::ExecutionId,
    port::{FinishedExecution, JournalBatch},
    run::Command,
    step_run::{StepOutcome, StepRecord},
};

use super::SlotKey;

/// A fact about a run on its way to storage. The run has taken it in already.
pub(super) struct Fact {
    pub(super) slot: SlotKey,
    /// What is done when it is durable.
    pub(super) then: Vec<Command>,
}

/// Something to be committed.
pub(super) enum Entry {
    /// A fact about a step.
    Fact(Box<StepRecord>, Fact),
    /// A fact about a whole run: it is stored with the run's end, and comes after the facts before it.
    Whole(ExecutionId, Fact),
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
    /// The execution that it is about.
    fn execution(&self) -> ExecutionId {
        match self {
            Self::Fact(record, _) | Self::Record(record) => record.execution_id,
            Self::Whole(id, _) => *id,
            Self::Finish { finished, .. } => finished.id,
        }
    }

    const fn is_record(&self) -> bool {
        matches!(self, Self::Fact(..) | Self::Record(_))
    }
}

/// What is done when a batch is durable.
pub(super) enum Ack {
    Fact(Fact),
    Finished { slot: Option<SlotKey>, id: ExecutionId },
    Parked(SlotKey, DateTime<Utc>),
}

/// A batch that is being committed.
pub(super) struct InFlight {
    pub(super) acks: Vec<Ack>,
    /// Held if something is being parked: nothing is claimed meanwhile.
    pub(super) parking: Option<OwnedMutexGuard<()>>,
}

/// One lane.
pub(super) struct Lane {
    writer: UnboundedSender<JournalBatch>,
    pending: VecDeque<Entry>,
    in_flight: Option<InFlight>,
}

impl Lane {
    /// Whether a batch can be handed over.
    pub(super) const fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// How much is to be committed.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether a record of something is to be committed, or an end.
    pub(super) fn has_rows(&self) -> bool {
        self.pending.iter().any(|entry| !matches!(entry, Entry::Whole(..)))
    }

    /// The executions of which records are still to be committed.
    pub(super) fn recorded(&self) -> BTreeSet<ExecutionId> {
        self.pending.iter().filter(|entry| entry.is_record()).map(Entry::execution).collect()
    }

    /// Hands a batch to the writer.
    pub(super) fn send(&mut self, batch: JournalBatch, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
        // A writer that is gone went with the lease, which the loop is about to see.
        let _closed = self.writer.send(batch);
    }

    /// The batch under way has come to its end.
    pub(super) fn take_in_flight(&mut self) -> Option<InFlight> {
        self.in_flight.take()
    }

    /// Takes what has gathered, up to so many rows or bytes of outputs.
    pub(super) fn gather(&mut self, rows_max: usize, bytes_max: usize) -> (JournalBatch, Vec<Ack>) {
        let (mut batch, mut acks, mut bytes) = (JournalBatch::default(), Vec::new(), 0);
        while batch.records.len() + batch.finished.len() < rows_max
            && bytes < bytes_max
            && let Some(entry) = self.pending.pop_front()
        {
            match entry {
                Entry::Fact(record, fact) => {
                    bytes += weight_of(&record);
                    batch.records.push(*record);
                    acks.push(Ack::Fact(fact));
                }
                Entry::Whole(_, fact) => acks.push(Ack::Fact(fact)),
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
}

/// All lanes of a worker.
pub(super) struct Lanes {
    all: Vec<Lane>,
    /// How many are in use.
    used: usize,
    /// How many are to be used.
    wanted: usize,
}

impl Lanes {
    /// A lane for each writer; there is at least one.
    pub(super) fn new(writers: Vec<UnboundedSender<JournalBatch>>) -> Self {
        let lane = |writer| Lane { writer, pending: VecDeque::new(), in_flight: None };
        let all: Vec<Lane> = writers.into_iter().map(lane).collect();
        Self { used: all.len(), wanted: all.len(), all }
    }

    /// How many are in use.
    pub(super) const fn count(&self) -> usize {
        self.used
    }

    pub(super) fn get(&mut self, lane: usize) -> Option<&mut Lane> {
        self.all.get_mut(lane)
    }

    /// Has so many lanes used that all workers together have a few: beyond that, more commits at once are smaller
    /// ones, and cost the database more for each record.
    pub(super) fn share_with(&mut self, workers: usize) {
        const OF_ALL_WORKERS: usize = 4;
        self.wanted = (OF_ALL_WORKERS / workers.max(1)).clamp(1, self.all.len().max(1));
    }

    /// Whether no batch may be handed over, because the number of lanes is about to change.
    pub(super) const fn are_changing(&self) -> bool {
        self.used != self.wanted
    }

    /// Changes the number of lanes in use, if that is wanted and nothing is under way.
    pub(super) fn change(&mut self) {
        if !self.are_changing() || !self.all.iter().all(Lane::is_idle) {
            return;
        }
        self.used = self.wanted;
        let pending: Vec<Entry> = self.all.iter_mut().flat_map(|lane| lane.pending.drain(..)).collect();
        for entry in pending {
            self.push(entry);
        }
    }

    /// The lane of an execution. The end of an id is random.
    pub(super) fn of(&self, execution: ExecutionId) -> usize {
        let (_, low) = execution.as_uuid().as_u64_pair();
        usize::try_from(low & 0xff).unwrap_or_default() % self.used.max(1)
    }

    /// Appends something to be committed.
    pub(super) fn push(&mut self, entry: Entry) {
        let lane = self.of(entry.execution());
        if let Some(lane) = self.all.get_mut(lane) {
            lane.pending.push_back(entry);
        }
    }

    /// Drops what is to be committed about an execution, but is not under way.
    pub(super) fn forget(&mut self, execution: ExecutionId) {
        let lane = self.of(execution);
        if let Some(lane) = self.all.get_mut(lane) {
            lane.pending.retain(|entry| entry.execution() != execution);
        }
    }

    /// Whether something is to be committed, and can be at once.
    pub(super) fn can_commit(&self) -> bool {
        self.all.iter().any(|lane| lane.is_idle() && lane.has_rows())
    }

    /// Whether nothing is to be committed or under way.
    pub(super) fn are_empty(&self) -> bool {
        self.all.iter().all(|lane| lane.pending.is_empty() && lane.in_flight.is_none())
    }

    /// Whether something is being parked.
    pub(super) fn are_parking(&self) -> bool {
        self.all.iter().filter_map(|lane| lane.in_flight.as_ref()).any(|in_flight| in_flight.parking.is_some())
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use super::*;

    fn record(execution: u128, seq: u32) -> Entry {
        Entry::Record(Box::new(StepRecord {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(execution)),
            path: "a".to_owned(),
            attempt: 1,
            seq,
            outcome: StepOutcome::Running,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: None,
            workflow_step_id: None,
            agent_id: None,
        }))
    }

    fn pending(lanes: &mut Lanes, lane: usize) -> Vec<(u128, u32)> {
        let (batch, _) = lanes.get(lane).unwrap().gather(100, usize::MAX);
        batch.records.iter().map(|record| (record.execution_id.as_uuid().as_u128(), record.seq)).collect()
    }

    #[test]
    fn what_is_to_be_committed_keeps_its_order_when_lanes_are_taken_away_and_come_back() {
        let (writers, _batches): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::unbounded_channel()).unzip();
        let mut lanes = Lanes::new(writers);
        for entry in [record(1, 0), record(2, 0), record(1, 1), record(2, 1)] {
            lanes.push(entry);
        }
        lanes.get(1).unwrap().send(JournalBatch::default(), InFlight { acks: Vec::new(), parking: None });

        lanes.share_with(16);
        lanes.change();
        assert!(lanes.are_changing() && lanes.count() == 2, "something is under way");
        lanes.get(1).unwrap().take_in_flight().unwrap();
        lanes.change();
        assert!(!lanes.are_changing() && lanes.count() == 1);
        lanes.push(record(1, 2));
        assert_eq!(pending(&mut lanes, 0), [(2, 0), (2, 1), (1, 0), (1, 1), (1, 2)]);

        for entry in [record(1, 3), record(2, 2), record(1, 4)] {
            lanes.push(entry);
        }
        lanes.share_with(1);
        lanes.change();
        assert_eq!((pending(&mut lanes, 0), pending(&mut lanes, 1)), (vec![(2, 2)], vec![(1, 3), (1, 4)]));
    }
}
