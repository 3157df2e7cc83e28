//! The executions, where they are not the engine's.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, Order, QueryFilter, QueryOrder, QuerySelect,
    Select, Statement,
    sea_query::{Expr, ExprTrait},
};
use turbocat_domain::{
    execution::{Execution, Pause},
    execution_log::{ExecutionLog, StepStatus},
    id::{ExecutionId, UserId, WorkflowId},
    port::{
        ExecutionFilter, ExecutionQueries, ExecutionRepository, LogFilter, NewEvent, NewExecution, Page, PageRequest,
        PartRecord, RepositoryError, RequestOutcome, Result,
    },
    step_run::StepRecord,
};

use super::{execution_log, found};
use crate::{
    convert::{Read, fit, utc},
    engine::{self, list_parts, parent},
    entity::{
        execution::{Column, Entity, Model},
        step_run,
    },
    error::ErrorContext,
    page::Listing,
    sql,
    store::Pg,
};

const ENTITY: &str = "execution";

#[derive(FromQueryResult)]
struct CountRow {
    count: i64,
}

#[async_trait]
impl<C: ConnectionTrait + Send> ExecutionRepository for Pg<C> {
    #[tracing::instrument(name = "db.executions.request_cancel", skip_all, err(level = "debug"))]
    async fn request_cancel(&mut self, id: ExecutionId) -> Result<RequestOutcome> {
        self.settle(ask(self.usable()?, sql::request_cancel(id.as_uuid())).await)
    }

    #[tracing::instrument(name = "db.executions.pause", skip_all, err(level = "debug"))]
    async fn pause(&mut self, id: ExecutionId, reason: Option<String>) -> Result<RequestOutcome> {
        self.settle(ask(self.usable()?, sql::pause_execution(id.as_uuid(), reason)).await)
    }

    #[tracing::instrument(name = "db.executions.resume", skip_all, err(level = "debug"))]
    async fn resume(&mut self, id: ExecutionId) -> Result<RequestOutcome> {
        self.settle(ask(self.usable()?, sql::resume_execution(id.as_uuid())).await)
    }

    #[tracing::instrument(name = "db.events.publish", skip_all, fields(event.name = event.name), err(level = "debug"))]
    async fn send(&mut self, event: &NewEvent) -> Result<u64> {
        self.settle(send(self.usable()?, event).await)
    }

    #[tracing::instrument(name = "db.executions.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, executions: &[NewExecution]) -> Result<()> {
        self.settle(insert(self.usable()?, executions).await)
    }

    #[tracing::instrument(name = "db.executions.delete_ended", skip_all, err(level = "debug"))]
    async fn delete_ended(&mut self, ids: &[ExecutionId]) -> Result<u64> {
        self.settle(delete_ended(self.usable()?, ids).await)
    }
}

/// Accepts executions, and tells who works, which is not the hot way: there an engine owns what it accepts.
async fn insert(conn: &impl ConnectionTrait, executions: &[NewExecution]) -> Result<()> {
    if executions.is_empty() {
        return Ok(());
    }
    conn.execute_raw(sql::insert_executions(None, engine::arrays(executions)?)).await.about(ENTITY)?;
    tell_all(conn).await
}

/// Sends an event, and tells who works if somebody waits for it.
async fn send(conn: &impl ConnectionTrait, event: &NewEvent) -> Result<u64> {
    let woken = engine::send(conn, engine::values(event)).await?;
    if woken > 0 {
        tell_all(conn).await?;
    }
    Ok(woken)
}

/// Asks something of an execution, and tells who works.
async fn ask(conn: &impl ConnectionTrait, statement: Statement) -> Result<RequestOutcome> {
    let outcome = engine::request(conn, statement).await?;
    if outcome == RequestOutcome::Requested {
        tell_all(conn).await?;
    }
    Ok(outcome)
}

/// Tells all processes, when the transaction is committed, that something is to be done: nobody has to wait until they
/// look by themselves.
pub(super) async fn tell_all(conn: &impl ConnectionTrait) -> Result<()> {
    conn.execute_raw(sql::notify_wake()).await.about("hint").map(|_| ())
}

async fn delete_ended(conn: &impl ConnectionTrait, ids: &[ExecutionId]) -> Result<u64> {
    let ids = ids.iter().map(|id| id.as_uuid()).collect();
    let row = CountRow::find_by_statement(sql::delete_ended_executions(ids)).one(conn).await.about(ENTITY)?;
    Read(ENTITY).number(Read(ENTITY).required(row, "count")?.count)
}

#[async_trait]
impl<C: ConnectionTrait + Send> ExecutionQueries for Pg<C> {
    async fn get(&self, id: ExecutionId) -> Result<Execution> {
        let row = Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?;
        found(row, ENTITY)?.try_into()
    }

    async fn list(&self, filter: &ExecutionFilter, page: PageRequest) -> Result<Page<Execution>> {
        let mut query = without_payloads();
        if let Some(user) = filter.user {
            query = query.filter(Column::UserId.eq(user.as_uuid()));
        }
        if let Some(workflow) = filter.workflow {
            query = query.filter(Column::WorkflowId.eq(workflow.as_uuid()));
        }
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status.as_str()));
        }
        if let Some(parent) = filter.parent {
            query = query.filter(Column::ParentExecutionId.eq(parent.as_uuid()));
        }
        if let Some(trigger) = filter.trigger {
            query = query.filter(Column::TriggerType.eq(trigger.as_str()));
        }
        if let Some(from) = filter.created_from {
            query = query.filter(Column::CreatedAt.gte(from.naive_utc()));
        }
        if let Some(before) = filter.created_before {
            query = query.filter(Column::CreatedAt.lt(before.naive_utc()));
        }
        if let Some(deployment) = filter.deployment {
            // As the index of them has it.
            let is_its = Expr::cust_with_values(
                "trigger_data -> 'deployment' IS NOT NULL AND trigger_data -> 'deployment' ->> 'id' = $1",
                [deployment.as_uuid().to_string()],
            );
            query = query.filter(is_its);
        }
        let listing = Listing {
            entity: ENTITY,
            columns: (Column::CreatedAt, Column::Id),
            key: |row: &Model| (row.created_at, row.id),
            order: Order::Desc,
        };
        listing.page(&self.conn, query, page).await
    }

    async fn step_records(&self, id: ExecutionId) -> Result<Vec<StepRecord>> {
        let query = step_run::Entity::find()
            .filter(step_run::Column::ExecutionId.eq(id.as_uuid()))
            .order_by_asc(step_run::Column::Seq);
        let rows = query.all(&self.conn).await.about("step_run")?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn step_news(&self, id: ExecutionId, from_seq: u32, limit: u16) -> Result<Vec<StepRecord>> {
        let records = without_outputs(id).order_by_asc(step_run::Column::Seq).limit(u64::from(limit));
        let is_running = step_run::Column::Status.eq(StepStatus::Running.as_str());
        let ended = records
            .clone()
            .filter(is_running.clone().not())
            .filter(step_run::Column::Seq.gte(fit::<u32, i32>(from_seq)?));
        let mut rows = ended.all(&self.conn).await.about("step_run")?;
        rows.extend(records.filter(is_running).all(&self.conn).await.about("step_run")?);
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn part_records(&self, id: ExecutionId, page: PageRequest) -> Result<Page<PartRecord>> {
        list_parts(&self.conn, id, page).await
    }

    async fn logs(&self, id: ExecutionId, filter: &LogFilter, page: PageRequest) -> Result<Page<ExecutionLog>> {
        execution_log::list(&self.conn, id, filter, page).await
    }
}

/// The records of an execution, all columns but the output, which may be large and is null here.
fn without_outputs(id: ExecutionId) -> Select<step_run::Entity> {
    let is_light = |column: &step_run::Column| !matches!(column, step_run::Column::Output);
    step_run::Entity::find()
        .select_only()
        .columns(step_run::Column::iter().filter(is_light))
        .expr_as(Expr::cust("'null'::jsonb"), "output")
        .filter(step_run::Column::ExecutionId.eq(id.as_uuid()))
}

/// All columns but input and output, which may be large and are null here.
fn without_payloads() -> Select<Entity> {
    let is_light = |column: &Column| !matches!(column, Column::InputData | Column::OutputData);
    Entity::find()
        .select_only()
        .columns(Column::iter().filter(is_light))
        .expr_as(Expr::cust("'null'::jsonb"), "input_data")
        .expr_as(Expr::cust("'null'::jsonb"), "output_data")
}

impl TryFrom<Model> for Execution {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: ExecutionId::from_uuid(row.id),
            workflow_id: WorkflowId::from_uuid(row.workflow_id),
            user_id: UserId::from_uuid(row.user_id),
            status: read.text(row.status)?,
            trigger_type: read.text(row.trigger_type)?,
            trigger_data: row.trigger_data,
            started_at: utc(row.started_at),
            completed_at: utc(row.completed_at),
            duration_ms: read.number_opt(row.duration_ms)?,
            input_data: row.input_data,
            output_data: row.output_data,
            steps_completed: read.number(row.steps_completed)?,
            steps_failed: read.number(row.steps_failed)?,
            steps_total: read.number(row.steps_total)?,
            error_message: row.error_message,
            error_stack: row.error_stack,
            error_code: row.error_code,
            parent: parent(row.parent_execution_id, row.parent_path)?,
            depth: read.number(row.depth)?,
            cancel_requested: row.cancel_requested_at.is_some(),
            paused: utc(row.paused_at).map(|at| Pause { at, reason: row.pause_reason }),
            deadline_at: utc(row.deadline_at),
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
        })
    }
}
