//! The schedules that are due, and what is done about them.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use turbocat_domain::{
    document::Schedule,
    id::{ExecutionId, UserId, WorkerId, WorkflowId},
    port::{
        DueRequest, DueSchedule, DueSchedules, FireOutcome, Fired, FiredTick, Firing, Result, ScheduleRepository,
        ScheduledExecution,
    },
    schedule::{ScheduleState, WorkflowSchedule},
};
use uuid::Uuid;

use crate::{
    convert::{Read, fit, utc},
    error::ErrorContext,
    sql::{self, FiringArrays},
    store::PgStore,
};

const ROW: Read = Read(ENTITY);
const ENTITY: &str = "schedule";

#[derive(FromQueryResult)]
struct DueRow {
    now: NaiveDateTime,
    next_due_at: Option<NaiveDateTime>,
    /// Nothing from here on, if nothing is due.
    workflow_id: Option<Uuid>,
    user_id: Option<Uuid>,
    config: Option<Value>,
    steps_total: Option<i32>,
    timeout_ms: Option<i64>,
    next_at: Option<NaiveDateTime>,
    queued_for: Option<NaiveDateTime>,
    is_busy: Option<bool>,
}

#[derive(FromQueryResult)]
struct FiredRow {
    fired_at: NaiveDateTime,
    is_alive: bool,
    schedules: i64,
    executions: Vec<Uuid>,
}

#[async_trait]
impl ScheduleRepository for PgStore {
    #[tracing::instrument(name = "db.schedules.due", level = "debug", skip_all, err(level = "debug"))]
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        let slice = (fit(request.slice.0)?, fit(request.slice.1)?);
        let statement = sql::find_due_schedules(i64::from(request.limit), slice);
        let rows = DueRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        let first = ROW.required(rows.first(), "now")?;
        let (now, next_at) = (first.now.and_utc(), utc(first.next_due_at));
        let (mut schedules, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let Some(id) = row.workflow_id else { continue };
            match row.due(id) {
                Ok(schedule) => schedules.push(schedule),
                Err(error) => {
                    let id = WorkflowId::from_uuid(id);
                    tracing::error!(workflow.id = %id, ?error, "a schedule cannot be read, and ends");
                    unreadable.push(id.as_uuid());
                }
            }
        }
        if !unreadable.is_empty() {
            self.db().execute_raw(sql::end_schedules(unreadable)).await.about(ENTITY)?;
        }
        Ok(DueSchedules { now, schedules, next_at })
    }

    #[tracing::instrument(
        name = "db.schedules.fire", level = "debug", skip_all, fields(worker.id = %worker), err(level = "debug")
    )]
    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        let statement = sql::fire_schedules(worker.as_uuid(), arrays(firings)?);
        let row = FiredRow::find_by_statement(statement).one(self.db()).await.about(ENTITY)?;
        let row = ROW.required(row, "fired_at")?;
        if !row.is_alive {
            return Ok(FireOutcome::Fenced);
        }
        Ok(FireOutcome::Fired(Fired {
            at: row.fired_at.and_utc(),
            schedules: ROW.number(row.schedules)?,
            executions: row.executions.into_iter().map(ExecutionId::from_uuid).collect(),
        }))
    }
}

impl DueRow {
    fn due(self, workflow_id: Uuid) -> Result<DueSchedule> {
        let config = ROW.required(self.config, "config")?;
        Ok(DueSchedule {
            workflow_id: WorkflowId::from_uuid(workflow_id),
            user_id: UserId::from_uuid(ROW.required(self.user_id, "user_id")?),
            workflow: WorkflowSchedule {
                schedule: Schedule::parse(&config).map_err(|problems| ROW.corrupt(problems))?,
                steps_total: ROW.number(ROW.required(self.steps_total, "steps_total")?)?,
                timeout_ms: ROW.number(ROW.required(self.timeout_ms, "timeout_ms")?)?,
            },
            state: ScheduleState { next_at: utc(self.next_at), queued_for: utc(self.queued_for) },
            is_busy: self.is_busy.unwrap_or_default(),
        })
    }
}

fn arrays(firings: &[Firing]) -> Result<FiringArrays> {
    let mut rows = FiringArrays::default();
    for firing in firings {
        let started = firing.ticks.iter().filter_map(|tick| tick.execution.as_ref()).next_back();
        let id = firing.workflow_id.as_uuid();
        rows.workflow_id.push(id);
        rows.old_next_at.push(or_never(firing.before.next_at));
        rows.old_queued_for.push(or_never(firing.before.queued_for));
        rows.next_at.push(or_never(firing.after.next_at));
        rows.queued_for.push(or_never(firing.after.queued_for));
        rows.jitter_ms.push(fit(firing.jitter_ms)?);
        rows.execution_id.push(started.map(|execution| execution.id.as_uuid()).unwrap_or_default());
        rows.ticks.push(firing.ticks.iter().map(tick).collect::<Value>().to_string());
        if firing.after.queued_for.is_some() && started.is_none() {
            rows.waiting.push(id);
        }
    }
    Ok(rows)
}

/// A tick as the statement reads it.
fn tick(tick: &FiredTick) -> Value {
    let mut row = json!({ "scheduled_for": tick.scheduled_for.naive_utc(), "verdict": tick.verdict });
    if let (Some(ScheduledExecution { id, trigger_data, is_owned }), Some(row)) = (&tick.execution, row.as_object_mut())
    {
        row.insert("execution_id".to_owned(), json!(id.as_uuid()));
        row.insert("trigger_data".to_owned(), trigger_data.clone());
        row.insert("is_owned".to_owned(), json!(is_owned));
    }
    row
}

/// A time that may be missing, as an array can hold it.
fn or_never(time: Option<DateTime<Utc>>) -> NaiveDateTime {
    let never = || NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    time.map_or_else(never, |time| time.naive_utc())
}
