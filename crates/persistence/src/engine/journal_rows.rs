//! A batch of the journal as arrays: sorted by key, and each key once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use turbocat_domain::{
    id::{AgentId, ExecutionId, WorkflowStepId},
    port::{FinishedExecution, JournalBatch, ParkedExecution, Result},
    step_run::{StepOutcome, StepRecord},
};
use uuid::Uuid;

use super::journal_line::{Line, milliseconds};
use crate::{
    convert::fit,
    error::unstorable,
    sql::{AgentArrays, FinishedArrays, JournalArrays, ParkedArrays, RecordArrays, WaitArrays},
};

/// The rows of a batch.
pub(super) fn rows(batch: &JournalBatch) -> Result<JournalArrays> {
    let finished = first_of_each(&batch.finished, |finished| finished.id);
    let mut parked = first_of_each(&batch.parked, |parked| parked.id);
    parked.retain(|id, _| !finished.contains_key(id));
    let parents: BTreeSet<ExecutionId> =
        finished.values().filter_map(|finished| finished.parent.as_ref()).map(|(parent, _)| *parent).collect();
    let mut rows =
        JournalArrays { parents: parents.into_iter().map(ExecutionId::as_uuid).collect(), ..JournalArrays::default() };
    for record in records(&batch.records).into_values() {
        rows.records.push(record)?;
    }
    rows.agents = agents(&rows.records);
    for finished in finished.into_values() {
        rows.finished.push(finished)?;
    }
    for parked in parked.into_values() {
        rows.parked.push(parked);
        rows.waits.push(parked);
    }
    Ok(rows)
}

/// The names of the events that executions of the batch wait for.
pub(super) fn awaited_names(batch: &JournalBatch) -> Vec<String> {
    let names: BTreeSet<&str> =
        batch.parked.iter().flat_map(|parked| &parked.waits).map(|wait| wait.event_name.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn first_of_each<T>(items: &[T], id: impl Fn(&T) -> ExecutionId) -> BTreeMap<ExecutionId, &T> {
    // The last that is put in stays.
    items.iter().rev().map(|item| (id(item), item)).collect()
}

/// The records by key: the first end of an attempt, or else that it runs.
fn records(records: &[StepRecord]) -> BTreeMap<(ExecutionId, &str, u16), &StepRecord> {
    let mut by_key = BTreeMap::new();
    for record in records {
        let kept = by_key.entry((record.execution_id, record.path.as_str(), record.attempt)).or_insert(record);
        if kept.outcome == StepOutcome::Running {
            *kept = record;
        }
    }
    by_key
}

/// What the records come to for the metrics of each agent.
fn agents(records: &RecordArrays) -> AgentArrays {
    let mut by_agent: BTreeMap<Uuid, (i64, i64, i64, NaiveDateTime)> = BTreeMap::new();
    let columns = records.agent_id.iter().zip(&records.status).zip(&records.duration_ms).zip(&records.ended_at);
    for (((agent, status), duration_ms), ended_at) in columns {
        let (succeeded, failed) = match status.as_str() {
            "completed" => (1, 0),
            "failed" => (0, 1),
            _ => continue,
        };
        if !agent.is_nil() {
            let sums = by_agent.entry(*agent).or_insert((0, 0, 0, *ended_at));
            *sums = (sums.0 + succeeded, sums.1 + failed, sums.2 + i64::from(*duration_ms), sums.3.max(*ended_at));
        }
    }
    let mut arrays = AgentArrays::default();
    for (agent, (succeeded, failed, duration_ms, last_at)) in by_agent {
        arrays.target_id.push(agent);
        arrays.total.push(succeeded + failed);
        arrays.succeeded.push(succeeded);
        arrays.failed.push(failed);
        arrays.duration_ms.push(duration_ms);
        arrays.last_at.push(last_at);
    }
    arrays
}

impl RecordArrays {
    fn push(&mut self, record: &StepRecord) -> Result<()> {
        let (reason, output, error) = match &record.outcome {
            StepOutcome::Running => Default::default(),
            StepOutcome::Completed(output) => (String::new(), output.to_string(), String::new()),
            StepOutcome::Failed(error) => {
                (String::new(), String::new(), serde_json::to_string(error).map_err(unstorable)?)
            }
            StepOutcome::Skipped(reason) => (reason.as_str().to_owned(), String::new(), String::new()),
        };
        self.execution_id.push(record.execution_id.as_uuid());
        self.path.push(record.path.clone());
        self.attempt.push(fit(record.attempt)?);
        self.seq.push(fit(record.seq)?);
        self.status.push(record.outcome.status().as_str().to_owned());
        self.reason.push(reason);
        self.output.push(output);
        self.error.push(error);
        self.started_at.push(record.started_at.naive_utc());
        self.ended_at.push(record.ended_at.unwrap_or(record.started_at).naive_utc());
        self.workflow_step_id.push(record.workflow_step_id.map_or(Uuid::nil(), WorkflowStepId::as_uuid));
        self.agent_id.push(record.agent_id.map_or(Uuid::nil(), AgentId::as_uuid));
        self.push_line(record);
        Ok(())
    }

    /// The line of the log that tells of an end.
    fn push_line(&mut self, record: &StepRecord) {
        let line = Line::of(record);
        self.step_key.push(line.step_key.to_owned());
        self.duration_ms.push(line.duration_ms);
        self.log_id.push(line.id);
        self.log_message.push(line.message);
        self.log_metadata.push(line.metadata);
    }
}

impl FinishedArrays {
    fn push(&mut self, finished: &FinishedExecution) -> Result<()> {
        let error = finished.error.as_ref();
        self.id.push(finished.id.as_uuid());
        self.status.push(finished.status.as_str().to_owned());
        self.output.push(finished.output.to_string());
        self.error_message.push(error.map(|error| error.message.clone()).unwrap_or_default());
        self.error_code.push(error.map(|error| error.code.clone()).unwrap_or_default());
        self.error_stack.push(error.and_then(|error| error.origin.clone()).unwrap_or_default());
        self.steps_completed.push(fit(finished.steps_completed)?);
        self.steps_failed.push(fit(finished.steps_failed)?);
        self.started_at.push(finished.started_at.naive_utc());
        self.completed_at.push(finished.completed_at.naive_utc());
        self.duration_ms.push(milliseconds(finished.started_at, finished.completed_at));
        Ok(())
    }
}

impl ParkedArrays {
    fn push(&mut self, parked: &ParkedExecution) {
        self.id.push(parked.id.as_uuid());
        self.wake_at.push(parked.wake_at.naive_utc());
    }
}

impl WaitArrays {
    fn push(&mut self, parked: &ParkedExecution) {
        let waits: BTreeMap<_, _> = parked.waits.iter().map(|wait| (wait.path.as_str(), wait)).collect();
        for wait in waits.into_values() {
            self.execution_id.push(parked.id.as_uuid());
            self.path.push(wait.path.clone());
            self.event_name.push(wait.event_name.clone());
            self.since.push(wait.since.naive_utc());
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn record(path: &str, outcome: StepOutcome) -> StepRecord {
        StepRecord {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(1)),
            path: path.to_owned(),
            attempt: 1,
            seq: 0,
            outcome,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: None,
            workflow_step_id: None,
            agent_id: None,
        }
    }

    #[test]
    fn an_attempt_that_began_and_ended_in_one_batch_is_one_row_with_its_first_end() {
        let batch = JournalBatch {
            records: vec![
                record("b", StepOutcome::Running),
                record("b", StepOutcome::Completed(json!(1))),
                record("b", StepOutcome::Completed(json!(2))),
                record("b", StepOutcome::Running),
                record("a", StepOutcome::Running),
            ],
            ..JournalBatch::default()
        };

        let rows = rows(&batch).unwrap();

        assert_eq!(rows.records.path, ["a", "b"]);
        assert_eq!(rows.records.status, ["running", "completed"]);
        assert_eq!(rows.records.output, ["", "1"]);
    }

    #[test]
    fn what_ends_is_not_parked() {
        let id = ExecutionId::from_uuid(Uuid::from_u128(1));
        let finished = FinishedExecution {
            id,
            workflow_id: turbocat_domain::id::WorkflowId::from_uuid(Uuid::nil()),
            status: turbocat_domain::execution::ExecutionStatus::Completed,
            output: json!(null),
            error: None,
            steps_completed: 1,
            steps_failed: 0,
            started_at: DateTime::UNIX_EPOCH,
            completed_at: DateTime::UNIX_EPOCH,
            parent: None,
        };
        let parked = ParkedExecution { id, wake_at: DateTime::UNIX_EPOCH, waits: Vec::new() };

        let rows =
            rows(&JournalBatch { finished: vec![finished], parked: vec![parked], ..JournalBatch::default() }).unwrap();

        assert_eq!(rows.finished.id, [id.as_uuid()]);
        assert!(rows.parked.id.is_empty());
    }
}
