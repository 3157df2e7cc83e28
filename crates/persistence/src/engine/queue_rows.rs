//! Rows of the queue, and what they are in the domain.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use turbocat_domain::{
    execution::ExecutionStatus,
    id::{ExecutionId, UserId, WorkflowId},
    port::{ClaimedExecution, EndedChild, ExecutionMail, FinishedExecution, NewExecution, RepositoryError, Result},
    step_run::{StepError, StepRecord},
};
use uuid::Uuid;

use crate::{
    convert::{Read, fit},
    entity::step_run,
    error::ErrorContext,
    sql::{self, ExecutionArrays},
};

const ROW: Read = Read("execution");
/// A time that no execution takes, and that can still be added to any date: 1,000 years.
const TIMEOUT_MS_MAX: u64 = 1_000 * 365 * 24 * 60 * 60 * 1_000;

/// The rows of new executions.
pub(crate) fn arrays(executions: &[NewExecution]) -> Result<ExecutionArrays> {
    let mut rows = ExecutionArrays::default();
    for new in executions {
        let (parent_id, parent_path) =
            new.parent.as_ref().map_or_else(Default::default, |(id, path)| (id.as_uuid(), path.clone()));
        rows.id.push(new.id.as_uuid());
        rows.workflow_id.push(new.workflow_id.as_uuid());
        rows.user_id.push(new.user_id.as_uuid());
        rows.trigger_type.push(new.trigger_type.as_str().to_owned());
        rows.trigger_data.push(new.trigger_data.to_string());
        rows.input_data.push(new.input.to_string());
        rows.steps_total.push(fit(new.steps_total)?);
        rows.timeout_ms.push(fit(new.timeout_ms.min(TIMEOUT_MS_MAX))?);
        rows.parent_id.push(parent_id);
        rows.parent_path.push(parent_path);
        rows.depth.push(i32::from(new.depth));
    }
    Ok(rows)
}

/// An execution that was just claimed.
#[derive(FromQueryResult)]
pub(super) struct ClaimedRow {
    pub(super) id: Uuid,
    workflow_id: Uuid,
    user_id: Uuid,
    trigger_type: String,
    trigger_data: Value,
    input_data: Value,
    started_at: NaiveDateTime,
    deadline_at: Option<NaiveDateTime>,
    cancel_requested_at: Option<NaiveDateTime>,
    is_paused: bool,
    takeovers: i32,
    depth: i32,
    parent_execution_id: Option<Uuid>,
    parent_path: Option<String>,
    pub(super) due_at: NaiveDateTime,
    /// Whether it was running before: only then it has a journal.
    pub(super) has_run: bool,
    claimed_at: NaiveDateTime,
}

impl ClaimedRow {
    /// How the execution ends if it or its journal cannot be read: nobody could run it, and it must not come back
    /// for ever.
    pub(super) fn failure(&self) -> FinishedExecution {
        FinishedExecution {
            id: ExecutionId::from_uuid(self.id),
            workflow_id: WorkflowId::from_uuid(self.workflow_id),
            status: ExecutionStatus::Failed,
            output: Value::Null,
            error: Some(StepError::permanent(
                "corrupt_execution",
                "the execution is stored in a form that cannot be read",
            )),
            steps_completed: 0,
            steps_failed: 0,
            started_at: self.started_at.and_utc(),
            completed_at: self.claimed_at.and_utc(),
            parent: parent(self.parent_execution_id, self.parent_path.clone()).unwrap_or_default(),
        }
    }

    /// The execution with its journal.
    pub(super) fn claimed(self, records: Vec<StepRecord>) -> Result<ClaimedExecution> {
        Ok(ClaimedExecution {
            id: ExecutionId::from_uuid(self.id),
            workflow_id: WorkflowId::from_uuid(self.workflow_id),
            user_id: UserId::from_uuid(self.user_id),
            trigger_type: ROW.text(self.trigger_type)?,
            trigger_data: self.trigger_data,
            input: self.input_data,
            started_at: self.started_at.and_utc(),
            deadline_at: ROW.required(self.deadline_at, "deadline_at")?.and_utc(),
            cancel_requested: self.cancel_requested_at.is_some(),
            is_paused: self.is_paused,
            takeovers: ROW.number(self.takeovers)?,
            depth: ROW.number(self.depth)?,
            parent: parent(self.parent_execution_id, self.parent_path)?,
            records,
        })
    }
}

/// The execution and the path of the step that an execution is a child of: both or neither.
pub(crate) fn parent(id: Option<Uuid>, path: Option<String>) -> Result<Option<(ExecutionId, String)>> {
    match (id, path) {
        (None, None) => Ok(None),
        (Some(id), Some(path)) => Ok(Some((ExecutionId::from_uuid(id), path))),
        _ => Err(ROW.corrupt("it names a parent without a path, or a path without a parent")),
    }
}

/// The journals of these executions, each in the order of its run, or why it cannot be read.
pub(super) async fn journals(
    conn: &impl ConnectionTrait,
    executions: Vec<Uuid>,
) -> Result<HashMap<Uuid, Result<Vec<StepRecord>>>> {
    let mut journals = HashMap::new();
    if executions.is_empty() {
        return Ok(journals);
    }
    let statement = sql::list_step_runs(executions);
    for row in step_run::Model::find_by_statement(statement).all(conn).await.about("step_run")? {
        let journal = journals.entry(row.execution_id).or_insert_with(|| Ok(Vec::new()));
        match (&mut *journal, StepRecord::try_from(row)) {
            (Ok(records), Ok(record)) => records.push(record),
            (Ok(_), Err(error)) => *journal = Err(error),
            (Err(_), _) => {}
        }
    }
    Ok(journals)
}

/// An execution with mail.
#[derive(FromQueryResult)]
pub(super) struct MailRow {
    pub(super) id: Uuid,
    cancel_requested: bool,
    is_paused: bool,
    pub(super) transaction_id: String,
}

impl From<MailRow> for ExecutionMail {
    fn from(row: MailRow) -> Self {
        let id = ExecutionId::from_uuid(row.id);
        Self { id, cancel_requested: row.cancel_requested, is_paused: row.is_paused }
    }
}

/// An ended child.
#[derive(FromQueryResult)]
pub(super) struct ChildRow {
    id: Uuid,
    parent_execution_id: Uuid,
    parent_path: String,
    status: String,
    output_data: Value,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl TryFrom<ChildRow> for (ExecutionId, EndedChild) {
    type Error = RepositoryError;

    fn try_from(row: ChildRow) -> Result<Self> {
        let status: ExecutionStatus = ROW.text(&row.status)?;
        let result = match (status, row.error_code) {
            (ExecutionStatus::Completed, _) => Ok(row.output_data),
            (_, Some(code)) => Err(StepError::permanent(code, row.error_message.unwrap_or_default())),
            (status, None) => Err(StepError::permanent(
                status.as_str(),
                row.error_message.unwrap_or_else(|| format!("the execution ended as {status}")),
            )),
        };
        let child = EndedChild { id: ExecutionId::from_uuid(row.id), path: row.parent_path, result };
        Ok((ExecutionId::from_uuid(row.parent_execution_id), child))
    }
}
