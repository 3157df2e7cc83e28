//! Progress of executions as it is committed, for who looks on in the same process.
//!
//! It tells of no result that could be lost again: a step is shown when its record is durable. What a step waits for is
//! shown as well, as it is at the moment. Who looks on too slowly misses parts of it; the database has them all.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::broadcast;
use turbocat_domain::{
    execution::ExecutionStatus,
    execution_log::StepStatus,
    id::ExecutionId,
    port::FinishedExecution,
    step_run::{StepError, StepOutcome, StepRecord},
};

/// Something that happened to an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// An attempt of a step has ended, or runs long enough to be worth seeing. This is durable.
    Step(StepProgress),
    /// A step waits for something.
    Wait(StepWait),
    /// The execution has ended; nothing follows. This is durable.
    Finished(FinishedExecution),
}

/// How an attempt of a step stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StepProgress {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The path of the step.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// How it stands.
    pub status: StepStatus,
    /// How long it took, in milliseconds; `None` while it runs.
    pub duration_ms: Option<u64>,
    /// Why it failed.
    pub error: Option<StepError>,
}

impl From<&StepRecord> for StepProgress {
    fn from(record: &StepRecord) -> Self {
        let took = record.ended_at.map(|ended_at| ended_at - record.started_at);
        Self {
            execution_id: record.execution_id,
            path: record.path.clone(),
            attempt: record.attempt,
            status: record.outcome.status(),
            duration_ms: took.map(|took| u64::try_from(took.num_milliseconds()).unwrap_or_default()),
            error: match &record.outcome {
                StepOutcome::Failed(error) => Some(error.clone()),
                _ => None,
            },
        }
    }
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWait {
    /// The path of the step.
    pub path: String,
    /// The attempt that is to follow; 1 for the first.
    pub attempt: u16,
    /// How many attempts there are at most.
    pub attempts_max: u16,
    /// What it waits for.
    pub what: Awaited,
    /// When the wait ends by itself, in milliseconds from now.
    pub ends_in_ms: Option<u64>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// The time of the next attempt.
    Retry,
    /// Its agent, which runs as often at once as it may.
    Agent,
    /// That the execution is resumed: it is paused.
    Resume,
    /// A time.
    Time,
    /// An event of this name.
    Event(String),
    /// Somebody who approves.
    Approval,
    /// A budget to have enough left for the next turn of a model; why it has not.
    Budget(String),
}

impl Progress {
    /// The status in which the execution ended, if this is its end.
    #[must_use]
    pub const fn ended(&self) -> Option<ExecutionStatus> {
        match self {
            Self::Step(_) | Self::Wait(_) => None,
            Self::Finished(end) => Some(end.status),
        }
    }
}

/// Who looks on at which execution.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    senders: Mutex<HashMap<ExecutionId, broadcast::Sender<Progress>>>,
    /// How many executions are watched: none costs nothing.
    count: AtomicUsize,
}

impl Watchers {
    const BACKLOG: usize = 1_024;

    /// Looks on at an execution from now on.
    pub(crate) fn watch(&self, execution: ExecutionId) -> broadcast::Receiver<Progress> {
        let mut senders = self.senders();
        senders.retain(|_, sender| sender.receiver_count() > 0);
        let receiver = senders.entry(execution).or_insert_with(|| broadcast::channel(Self::BACKLOG).0).subscribe();
        self.count.store(senders.len(), Ordering::Release);
        receiver
    }

    /// Shows what was committed.
    pub(crate) fn publish<'a>(
        &self,
        records: impl Iterator<Item = &'a StepRecord>,
        finished: impl Iterator<Item = &'a FinishedExecution>,
    ) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut senders = self.senders();
        let mut shown: Vec<&StepRecord> = records.filter(|record| senders.contains_key(&record.execution_id)).collect();
        shown.sort_by_key(|record| record.seq);
        for record in shown {
            if let Some(sender) = senders.get(&record.execution_id) {
                let _nobody_looks = sender.send(Progress::Step(record.into()));
            }
        }
        for end in finished {
            if let Some(sender) = senders.remove(&end.id) {
                let _nobody_looks = sender.send(Progress::Finished(end.clone()));
            }
        }
        self.count.store(senders.len(), Ordering::Release);
    }

    /// Shows that a step waits. Says what for only if somebody looks.
    pub(crate) fn show_wait(&self, execution: ExecutionId, wait: impl FnOnce() -> Option<StepWait>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(sender) = self.senders().get(&execution)
            && let Some(wait) = wait()
        {
            let _nobody_looks = sender.send(Progress::Wait(wait));
        }
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<ExecutionId, broadcast::Sender<Progress>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
