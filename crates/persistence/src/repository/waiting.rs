//! What waits: for people to decide, and for its time.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use turbocat_domain::{
    approval::WaitingApproval,
    document::Schedule,
    id::{ExecutionId, UserId, WorkflowId},
    port::{
        ApprovalFilter, ApprovalQueries, Cursor, Page, PageRequest, RepositoryError, Result, ScheduleQueries,
        StoredSchedule, StoredTick,
    },
    schedule::ScheduleState,
};
use uuid::Uuid;

use crate::{
    convert::{Read, utc},
    error::ErrorContext,
    page::LIMIT_MAX,
    sql::{self, ApprovalValues},
    store::Pg,
};

const APPROVAL: &str = "approval";
const SCHEDULE: &str = "schedule";

#[derive(FromQueryResult)]
struct ApprovalRow {
    id: Uuid,
    created_at: NaiveDateTime,
    workflow_id: Uuid,
    user_id: Uuid,
    path: String,
    since: NaiveDateTime,
    rules: Value,
    workflow_name: String,
    decisions: Value,
}

#[derive(FromQueryResult)]
struct ScheduleRow {
    workflow_id: Uuid,
    user_id: Uuid,
    name: String,
    config: Value,
    next_at: Option<NaiveDateTime>,
    queued_for: Option<NaiveDateTime>,
    due_at: Option<NaiveDateTime>,
    last_execution_id: Option<Uuid>,
    created_at: NaiveDateTime,
}

#[derive(FromQueryResult)]
struct TickRow {
    scheduled_for: NaiveDateTime,
    verdict: String,
    execution_id: Option<Uuid>,
}

#[async_trait]
impl<C: ConnectionTrait + Send> ApprovalQueries for Pg<C> {
    async fn list(&self, filter: &ApprovalFilter, page: PageRequest) -> Result<Page<WaitingApproval>> {
        let limit = page.limit.clamp(1, LIMIT_MAX);
        let values = ApprovalValues {
            user_id: filter.user.as_uuid(),
            names: WaitingApproval::names_of(filter.user, &filter.email).to_vec(),
            execution_id: filter.execution.map(ExecutionId::as_uuid),
            path: filter.path.clone(),
            after: page.after.map(after),
            limit: i64::from(limit) + 1,
        };
        let statement = sql::list_waiting_approvals(values);
        let rows = ApprovalRow::find_by_statement(statement).all(&self.conn).await.about(APPROVAL)?;
        let items = rows.into_iter().map(WaitingApproval::try_from).collect::<Result<Vec<_>>>()?;
        let key = |item: &WaitingApproval| Cursor { created_at: item.created_at, id: item.execution_id.as_uuid() };
        Ok(whole(items, key, limit))
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> ScheduleQueries for Pg<C> {
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<StoredSchedule>> {
        let limit = page.limit.clamp(1, LIMIT_MAX);
        let statement = sql::list_schedules(user.map(UserId::as_uuid), page.after.map(after), i64::from(limit) + 1);
        let rows = ScheduleRow::find_by_statement(statement).all(&self.conn).await.about(SCHEDULE)?;
        let items = rows.into_iter().map(StoredSchedule::try_from).collect::<Result<Vec<_>>>()?;
        let key = |item: &StoredSchedule| Cursor { created_at: item.created_at, id: item.workflow_id.as_uuid() };
        Ok(whole(items, key, limit))
    }

    async fn ticks(&self, workflow: WorkflowId, limit: u16) -> Result<Vec<StoredTick>> {
        let statement = sql::list_schedule_ticks(workflow.as_uuid(), limit.into());
        let rows = TickRow::find_by_statement(statement).all(&self.conn).await.about(SCHEDULE)?;
        let ticks = rows.into_iter().map(|row| {
            Ok(StoredTick {
                scheduled_for: row.scheduled_for.and_utc(),
                verdict: Read(SCHEDULE).text(row.verdict)?,
                execution: row.execution_id.map(ExecutionId::from_uuid),
            })
        });
        ticks.collect()
    }
}

fn after(cursor: Cursor) -> (NaiveDateTime, Uuid) {
    (cursor.created_at.naive_utc(), cursor.id)
}

/// A page of which one key more was read than it may have; what shares a key is kept together.
fn whole<T>(mut items: Vec<T>, key: impl Fn(&T) -> Cursor, limit: u16) -> Page<T> {
    let mut keys: Vec<Cursor> = items.iter().map(&key).collect();
    keys.dedup();
    let next = keys.get(usize::from(limit)).and_then(|_| keys.get(usize::from(limit) - 1)).copied();
    if let Some(beyond) = keys.get(usize::from(limit)) {
        items.retain(|item| key(item) != *beyond);
    }
    Page { items, next }
}

impl TryFrom<ApprovalRow> for WaitingApproval {
    type Error = RepositoryError;

    fn try_from(row: ApprovalRow) -> Result<Self> {
        let Value::Array(decisions) = row.decisions else {
            return Err(Read(APPROVAL).corrupt("its decisions are no list"));
        };
        Ok(Self {
            execution_id: ExecutionId::from_uuid(row.id),
            created_at: row.created_at.and_utc(),
            workflow_id: WorkflowId::from_uuid(row.workflow_id),
            workflow_name: row.workflow_name,
            user_id: UserId::from_uuid(row.user_id),
            path: row.path,
            since: row.since.and_utc(),
            rules: row.rules,
            decisions,
        })
    }
}

impl TryFrom<ScheduleRow> for StoredSchedule {
    type Error = RepositoryError;

    fn try_from(row: ScheduleRow) -> Result<Self> {
        Ok(Self {
            workflow_id: WorkflowId::from_uuid(row.workflow_id),
            created_at: row.created_at.and_utc(),
            user_id: UserId::from_uuid(row.user_id),
            name: row.name,
            schedule: Schedule::parse(&row.config).map_err(|problems| Read(SCHEDULE).corrupt(problems))?,
            state: ScheduleState { next_at: utc(row.next_at), queued_for: utc(row.queued_for) },
            due_at: utc(row.due_at),
            last_execution: row.last_execution_id.map(ExecutionId::from_uuid),
        })
    }
}
