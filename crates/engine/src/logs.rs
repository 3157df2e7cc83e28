//! The lines that agents print: taken without waiting, written in batches by a task of its own.
//!
//! Steps never wait for their lines. A line that finds the queue full, or comes after its attempt has printed as
//! much as it may, is dropped and counted; the count stands in a line at the end of the attempt.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, WeakSender, channel};
use turbocat_domain::{
    execution_log::{ExecutionLog, LogLevel, NewExecutionLog, StepStatus},
    id::{ExecutionId, ExecutionLogId, WorkflowStepId},
    limits,
    port::{Clock, IdGenerator, LogSink},
    value::StepKey,
};

use crate::{
    backoff::Backoff,
    clock::EngineClock,
    core::{Chain, Core, pause},
};

/// Where lines wait to be written.
#[derive(Clone)]
pub(crate) struct LogQueue {
    lines: WeakSender<ExecutionLog>,
}

impl LogQueue {
    const LENGTH: usize = 65_536;

    /// A queue, what keeps it open, and its other end.
    pub(crate) fn new() -> (Self, Sender<ExecutionLog>, Receiver<ExecutionLog>) {
        let (sender, receiver) = channel(Self::LENGTH);
        (Self { lines: sender.downgrade() }, sender, receiver)
    }
}

/// Which attempt prints.
#[derive(Debug, Clone)]
pub(crate) struct LogSource {
    pub(crate) execution_id: ExecutionId,
    pub(crate) path: String,
    pub(crate) attempt: u16,
    pub(crate) step_key: StepKey,
    pub(crate) workflow_step_id: Option<WorkflowStepId>,
}

/// Takes the lines of one attempt.
pub(crate) struct AttemptLog {
    source: LogSource,
    queue: LogQueue,
    clock: Arc<EngineClock>,
    ids: Arc<dyn IdGenerator>,
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicU32,
}

impl AttemptLog {
    pub(crate) fn new(core: &Core, source: LogSource) -> Self {
        Self {
            source,
            queue: core.logs.clone(),
            clock: Arc::clone(&core.clock),
            ids: Arc::clone(&core.ports.ids),
            lines: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU32::new(0),
        }
    }

    fn write(&self, level: LogLevel, message: &str) -> bool {
        // Copying more than can be kept of a line would let an agent fill the memory.
        let end = message.floor_char_boundary(limits::LOG_LINE_BYTES_MAX + 1);
        let new = NewExecutionLog {
            id: ExecutionLogId::from_uuid(self.ids.next()),
            execution_id: self.source.execution_id,
            level,
            message: message.get(..end).unwrap_or_default().to_owned(),
        };
        let line = ExecutionLog {
            workflow_step_id: self.source.workflow_step_id,
            step_key: Some(self.source.step_key.clone()),
            step_status: Some(StepStatus::Running),
            metadata: json!({ "path": self.source.path, "attempt": self.source.attempt }),
            ..ExecutionLog::new(new, self.clock.now())
        };
        self.queue.lines.upgrade().is_some_and(|lines| lines.try_send(line).is_ok())
    }
}

impl LogSink for AttemptLog {
    fn log(&self, level: LogLevel, message: &str) {
        let lines = self.lines.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(message.len().min(limits::LOG_LINE_BYTES_MAX), Ordering::Relaxed);
        let is_within = lines < limits::LOG_LINES_MAX && bytes < limits::LOG_BYTES_MAX;
        if !(is_within && self.write(level, message)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AttemptLog {
    fn drop(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            let message = format!("{dropped} more lines were dropped: the attempt printed more than is kept");
            let _queue_full = self.write(LogLevel::Warn, &message);
        }
    }
}

/// Writes lines until the queue is closed and empty.
pub(crate) async fn write(core: Arc<Core>, mut lines: Receiver<ExecutionLog>) {
    const BATCH: usize = 1_000;
    let mut batch = Vec::new();
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        let written = Arc::new(std::mem::take(&mut batch));
        let mut backoff = Backoff::default();
        loop {
            let (logs, lines) = (Arc::clone(&core.ports.logs), Arc::clone(&written));
            match core.call(async move { logs.append(&lines).await }).await {
                Ok(()) => break,
                Err(error) if error.is_transient() && !core.killed.is_cancelled() => {
                    pause("log.append", &error, backoff.next()).await;
                }
                Err(error) => {
                    tracing::error!(lines = written.len(), error = %Chain(&error), "lines of agents were lost");
                    break;
                }
            }
        }
    }
}
