//! The log of an execution, as it is read.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter};
use turbocat_domain::{
    execution_log::{ExecutionLog, LogLevel},
    id::{ExecutionId, ExecutionLogId, WorkflowStepId},
    port::{LogFilter, Page, PageRequest, RepositoryError, Result},
};

use crate::{
    convert::{Read, utc},
    entity::execution_log::{Column, Entity, Model},
    page::Listing,
};

const ENTITY: &str = "execution_log";

/// A page of an execution's log, oldest first.
pub(super) async fn list(
    conn: &impl ConnectionTrait,
    execution: ExecutionId,
    filter: &LogFilter,
    page: PageRequest,
) -> Result<Page<ExecutionLog>> {
    let mut query = Entity::find().filter(Column::ExecutionId.eq(execution.as_uuid()));
    if let Some(min) = filter.min_level {
        let levels = LogLevel::ALL.into_iter().filter(|level| *level >= min).map(LogLevel::as_str);
        query = query.filter(Column::Level.is_in(levels));
    }
    if let Some(key) = &filter.step_key {
        query = query.filter(Column::StepKey.eq(key.as_str()));
    }
    let listing = Listing {
        entity: ENTITY,
        columns: (Column::CreatedAt, Column::Id),
        key: |row: &Model| (row.created_at, row.id),
        order: Order::Asc,
    };
    listing.page(conn, query, page).await
}

impl TryFrom<Model> for ExecutionLog {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: ExecutionLogId::from_uuid(row.id),
            execution_id: ExecutionId::from_uuid(row.execution_id),
            workflow_step_id: row.workflow_step_id.map(WorkflowStepId::from_uuid),
            level: read.text(row.level)?,
            message: row.message,
            metadata: row.metadata,
            step_key: read.text_opt(row.step_key)?,
            step_status: read.text_opt(row.step_status)?,
            step_started_at: utc(row.step_started_at),
            step_completed_at: utc(row.step_completed_at),
            step_duration_ms: read.number_opt(row.step_duration_ms)?,
            created_at: row.created_at.and_utc(),
        })
    }
}
