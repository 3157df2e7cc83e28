//! What an engine has done since it started, as numbers: for who watches over the process.
//!
//! They count what is durable, and belong to the process: a lease that ends resets nothing. They are no truth about
//! executions, which is in the database alone.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use turbocat_domain::{
    execution::ExecutionStatus, execution_log::StepStatus, port::FinishedExecution, port::JournalBatch,
    step_run::StepRecord,
};

/// The numbers of an engine at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFigures {
    /// Executions whose run was started here.
    pub started: u64,
    /// Executions whose run was recovered from the journal: they came from another worker, or from a wait.
    pub recovered: u64,
    /// Executions that ended, by how.
    pub ended: Vec<(ExecutionStatus, u64)>,
    /// Attempts of steps that ended, by how.
    pub steps: Vec<(StepStatus, u64)>,
    /// The commits to the journal.
    pub flushes: Flushes,
    /// Executions that are held in memory.
    pub held: usize,
    /// How long ago the lease was granted or renewed; `None` while there is none.
    pub lease_age: Option<Duration>,
}

/// The commits to the journal, by how long they took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flushes {
    /// How many took up to so long, each counted in the first that it fits; `None` is for those that took longer.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// How long all of them took together.
    pub total: Duration,
    /// How many rows they brought: records of steps, ends and parked executions.
    pub rows: u64,
}

impl Flushes {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// The bounds of the buckets, in microseconds.
const BOUNDS_US: [u64; 10] = [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// Counts what is done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    started: AtomicU64,
    recovered: AtomicU64,
    ended: [AtomicU64; ExecutionStatus::ALL.len()],
    steps: [AtomicU64; StepStatus::ALL.len()],
    flushes: [AtomicU64; BOUNDS_US.len() + 1],
    flush_us: AtomicU64,
    rows: AtomicU64,
}

impl Tally {
    /// A run was started, or recovered.
    pub(crate) fn taken_on(&self, is_new: bool) {
        let counter = if is_new { &self.started } else { &self.recovered };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// These are durable.
    pub(crate) fn committed<'a>(
        &self,
        records: impl Iterator<Item = &'a StepRecord>,
        finished: impl Iterator<Item = &'a FinishedExecution>,
    ) {
        for status in records.map(|record| record.outcome.status()).filter(|status| status.is_terminal()) {
            count(&self.steps, status as usize);
        }
        for end in finished {
            count(&self.ended, end.status as usize);
        }
    }

    /// A batch was committed, and that took so long.
    pub(crate) fn flushed(&self, batch: &JournalBatch, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        count(&self.flushes, bucket);
        self.flush_us.fetch_add(us, Ordering::Relaxed);
        let rows = batch.records.len() + batch.finished.len() + batch.parked.len();
        self.rows.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The numbers of now.
    pub(crate) fn figures(&self, held: usize, lease_age: Option<Duration>) -> EngineFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = ExecutionStatus::ALL.into_iter().zip(self.ended.iter().map(read));
        let steps = StepStatus::ALL.into_iter().zip(self.steps.iter().map(read));
        let bounds = BOUNDS_US.into_iter().map(|us| Some(Duration::from_micros(us))).chain([None]);
        EngineFigures {
            started: read(&self.started),
            recovered: read(&self.recovered),
            ended: ended.filter(|(status, _)| status.is_terminal()).collect(),
            steps: steps.filter(|(status, _)| status.is_terminal()).collect(),
            flushes: Flushes {
                buckets: bounds.zip(self.flushes.iter().map(read)).collect(),
                total: Duration::from_micros(read(&self.flush_us)),
                rows: read(&self.rows),
            },
            held,
            lease_age,
        }
    }
}

fn count(counters: &[AtomicU64], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_is_counted_in_the_first_bucket_that_it_fits() {
        let tally = Tally::default();
        for us in [1, 500, 501, 3_000_000] {
            tally.flushed(&JournalBatch::default(), Duration::from_micros(us));
        }
        let Flushes { buckets, total, .. } = tally.figures(0, None).flushes;

        let filled: Vec<_> = buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        let bound = |us| Some(Duration::from_micros(us));
        assert_eq!(filled, [(bound(500), 2), (bound(1_000), 1), (None, 1)]);
        assert_eq!(total, Duration::from_micros(3_001_002));
    }

    #[test]
    fn only_ends_are_counted_by_status() {
        let figures = Tally::default().figures(0, None);

        assert!(figures.ended.iter().all(|(status, _)| status.is_terminal()) && figures.ended.len() == 4);
        assert!(figures.steps.iter().all(|(status, _)| status.is_terminal()) && figures.steps.len() == 3);
    }
}
