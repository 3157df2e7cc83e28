//! The lines of executions' logs: those that agents print, and one for each attempt that ended.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_domain::{
    execution_log::{ExecutionLog, LogLevel, NewExecutionLog},
    id::ExecutionLogId,
    port::{LogWriter, Result},
    step_run::{StepOutcome, StepRecord},
    value::{StepKey, duration_ms},
};

use super::{MemoryStore, engine::Engine};
use crate::ids::nth;

/// The sequence of the ids of the lines that the store writes itself.
const LINE_SEED: u64 = 0x10c5_0f57_3b5e_11d5;

#[async_trait]
impl LogWriter for MemoryStore {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        let mut state = self.state();
        for line in lines {
            state.engine.append_line(line.clone());
        }
        Ok(())
    }
}

impl Engine {
    /// Appends a line, unless its execution is gone or it stands there already.
    fn append_line(&mut self, line: ExecutionLog) {
        if self.executions.contains_key(&line.execution_id) && self.log_ids.insert(line.id) {
            self.logs.entry(line.execution_id).or_default().insert((line.created_at, line.id), line);
        }
    }

    /// Appends the line that tells of an attempt that ended.
    pub(super) fn append_step_line(&mut self, record: &StepRecord, now: DateTime<Utc>) {
        let ended_at = record.ended_at.unwrap_or(now);
        let took = duration_ms(record.started_at, ended_at);
        let (path, status) = (&record.path, record.outcome.status());
        let (level, message, detail) = match &record.outcome {
            StepOutcome::Running | StepOutcome::Completed(_) => {
                (LogLevel::Info, format!("step `{path}` completed in {took} ms"), None)
            }
            StepOutcome::Failed(error) => (
                LogLevel::Error,
                format!("step `{path}` failed after {took} ms: {error}"),
                Some(("error_code", error.code.as_str())),
            ),
            StepOutcome::Skipped(reason) => (
                LogLevel::Info,
                format!("step `{path}` was skipped: {}", reason.as_str()),
                Some(("reason", reason.as_str())),
            ),
        };
        let step_key = key_of(path);
        // What a column says is not said again.
        let is_nested = step_key.as_ref().is_none_or(|key| key.as_str() != path);
        let facts = [
            is_nested.then(|| ("path", json!(path))),
            (record.attempt > 1).then(|| ("attempt", json!(record.attempt))),
            detail.map(|(key, value)| (key, json!(value))),
        ];
        let metadata = facts.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect();
        let id = ExecutionLogId::from_uuid(nth(LINE_SEED, self.lines_written));
        self.lines_written += 1;
        let new = NewExecutionLog { id, execution_id: record.execution_id, level, message };
        self.append_line(ExecutionLog {
            workflow_step_id: record.workflow_step_id,
            step_key,
            step_status: Some(status),
            step_started_at: Some(record.started_at),
            step_completed_at: Some(ended_at),
            step_duration_ms: Some(took),
            metadata,
            ..ExecutionLog::new(new, ended_at)
        });
    }
}

/// The key of the step at a path: `collect[3].fetch` is of `fetch`.
fn key_of(path: &str) -> Option<StepKey> {
    let last = path.rsplit('.').next()?;
    StepKey::parse(last.split('[').next()?).ok()
}
