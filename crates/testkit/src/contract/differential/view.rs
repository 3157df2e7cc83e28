//! What two stores must agree on: answers without the store's own times and ids.

use turbocat_domain::{
    execution::{Execution, Pause},
    execution_log::{ExecutionLog, LogLevel, StepStatus},
    port::{ClaimedExecution, EndedChild, RepositoryError, Result, StoredEvent},
};

use crate::clock::epoch;

/// The kind of an error: what its source says is the store's own.
pub(super) fn answer<T>(result: Result<T>) -> std::result::Result<T, &'static str> {
    result.map_err(|error| match error {
        RepositoryError::NotFound { .. } => "not found",
        RepositoryError::AlreadyExists { .. } => "already exists",
        RepositoryError::Conflict { .. } => "conflict",
        RepositoryError::BrokenReference { .. } => "broken reference",
        RepositoryError::Corrupt { .. } => "corrupt",
        RepositoryError::Aborted => "aborted",
        RepositoryError::Backend { .. } => "backend",
    })
}

/// Claimed executions in the order of their ids.
pub(super) fn claims(mut claimed: Vec<ClaimedExecution>) -> Vec<ClaimedExecution> {
    claimed.sort_by_key(|one| one.id);
    for one in &mut claimed {
        one.started_at = epoch();
        one.deadline_at = epoch();
    }
    claimed
}

/// An execution; of its start, whether there was one.
pub(super) fn execution(one: Execution) -> Execution {
    Execution {
        started_at: one.started_at.map(|_| epoch()),
        paused: one.paused.map(|pause| Pause { at: epoch(), ..pause }),
        deadline_at: None,
        created_at: epoch(),
        updated_at: epoch(),
        ..one
    }
}

/// Ended children in the order of their paths; of an error, what is stored of it.
pub(super) fn children<P: Ord + Copy>(mut ended: Vec<(P, EndedChild)>) -> Vec<(P, EndedChild)> {
    ended.sort_by(|(p, a), (q, b)| (p, &a.path).cmp(&(q, &b.path)));
    for (_, child) in &mut ended {
        if let Err(error) = &mut child.result {
            error.retryable = false;
            // The text for one that came without an error is the store's own.
            error.message.clear();
        }
    }
    ended
}

/// Events without their times.
pub(super) fn events(received: Vec<StoredEvent>) -> Vec<StoredEvent> {
    received.into_iter().map(|event| StoredEvent { received_at: epoch(), ..event }).collect()
}

/// What a line of a log says that is not the store's own wording.
pub(super) type Line = (Option<String>, Option<StepStatus>, LogLevel, Option<u32>);

/// The lines of a log.
pub(super) fn lines(log: Vec<ExecutionLog>) -> Vec<Line> {
    let mut lines: Vec<Line> = log
        .into_iter()
        .map(|line| (line.step_key.map(String::from), line.step_status, line.level, line.step_duration_ms))
        .collect();
    lines.sort_by(|a, b| {
        (&a.0, a.1.map(StepStatus::as_str), a.2, a.3).cmp(&(&b.0, b.1.map(StepStatus::as_str), b.2, b.3))
    });
    lines
}
