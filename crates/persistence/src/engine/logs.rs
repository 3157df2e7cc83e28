//! Lines of executions' logs, on a connection of their own whose commits do not wait for the disk.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::ConnectionTrait;
use turbocat_domain::{
    execution_log::ExecutionLog,
    id::WorkflowStepId,
    port::{LogWriter, RepositoryError, Result},
};
use uuid::Uuid;

use crate::{
    convert::fit,
    error::ErrorContext,
    sql::{self, LineArrays},
    store::PgStore,
};

const ENTITY: &str = "execution_log";

#[async_trait]
impl LogWriter for PgStore {
    #[tracing::instrument(name = "db.execution_logs.append", level = "debug", skip_all, err(level = "debug"))]
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        match self.append_once(lines).await {
            // An execution or a step was deleted while the statement ran. It is not there for the next one.
            Err(RepositoryError::BrokenReference { .. }) => self.append_once(lines).await,
            outcome => outcome,
        }
    }
}

impl PgStore {
    async fn append_once(&self, lines: &[ExecutionLog]) -> Result<()> {
        let statement = sql::append_execution_logs(arrays(lines)?);
        self.unhurried.execute_raw(statement).await.about(ENTITY).map(|_| ())
    }
}

fn arrays(lines: &[ExecutionLog]) -> Result<LineArrays> {
    let mut rows = LineArrays::default();
    for line in lines {
        rows.id.push(line.id.as_uuid());
        rows.execution_id.push(line.execution_id.as_uuid());
        rows.workflow_step_id.push(line.workflow_step_id.map_or(Uuid::nil(), WorkflowStepId::as_uuid));
        rows.level.push(line.level.as_str().to_owned());
        rows.message.push(line.message.clone());
        rows.metadata.push(line.metadata.to_string());
        rows.step_key.push(line.step_key.as_ref().map(ToString::to_string).unwrap_or_default());
        rows.step_status.push(line.step_status.map(|status| status.as_str().to_owned()).unwrap_or_default());
        rows.step_started_at.push(or_epoch(line.step_started_at));
        rows.step_completed_at.push(or_epoch(line.step_completed_at));
        rows.step_duration_ms.push(line.step_duration_ms.map_or(Ok(-1), fit)?);
        rows.created_at.push(line.created_at.naive_utc());
    }
    Ok(rows)
}

fn or_epoch(time: Option<DateTime<Utc>>) -> NaiveDateTime {
    time.unwrap_or(DateTime::UNIX_EPOCH).naive_utc()
}
