//! The lanes of the journal. Each has a writer with a commit of its own under way, so that the database works on one
//! batch while another is on its way: one connection alone is the limit of one core of its server.
//!
//! # Invariants
//!
//! 1. Everything about an execution goes through one lane, in its order.
//! 2. A lane has one batch under way at a time; what gathers meanwhile is the next.

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
pub(super) struct Lanes(Vec<Lane>);

impl Lanes {
    /// A lane for each writer; there is at least one.
    pub(super) fn new(writers: Vec<UnboundedSender<JournalBatch>>) -> Self {
        let lane = |writer| Lane { writer, pending: VecDeque::new(), in_flight: None };
        Self(writers.into_iter().map(lane).collect())
    }

    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&mut self, lane: usize) -> Option<&mut Lane> {
        self.0.get_mut(lane)
    }

    /// The lane of an execution. The end of an id is random.
    pub(super) fn of(&self, execution: ExecutionId) -> usize {
        let (_, low) = execution.as_uuid().as_u64_pair();
        usize::try_from(low & 0xff).unwrap_or_default() % self.0.len().max(1)
    }

    /// Appends something to be committed.
    pub(super) fn push(&mut self, entry: Entry) {
        let lane = self.of(entry.execution());
        if let Some(lane) = self.0.get_mut(lane) {
            lane.pending.push_back(entry);
        }
    }

    /// Drops what is to be committed about an execution, but is not under way.
    pub(super) fn forget(&mut self, execution: ExecutionId) {
        let lane = self.of(execution);
        if let Some(lane) = self.0.get_mut(lane) {
            lane.pending.retain(|entry| entry.execution() != execution);
        }
    }

    /// Whether something is to be committed, and can be at once.
    pub(super) fn can_commit(&self) -> bool {
        self.0.iter().any(|lane| lane.is_idle() && lane.has_rows())
    }

    /// Whether nothing is to be committed or under way.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|lane| lane.pending.is_empty() && lane.in_flight.is_none())
    }

    /// Whether something is being parked.
    pub(super) fn are_parking(&self) -> bool {
        self.0.iter().filter_map(|lane| lane.in_flight.as_ref()).any(|in_flight| in_flight.parking.is_some())
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
