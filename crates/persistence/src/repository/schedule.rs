//! The schedules of workflows, kept with every write of a workflow, in its transaction.
//!
//! A write ends the schedule that its workflow had, and begins the one that it has now. What is begun in the
//! transaction in which it ended goes on where it stood: that is how a new version takes over.

use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use turbocat_domain::{
    document::Schedule,
    id::WorkflowId,
    port::Result,
    schedule::{ScheduleState, WorkflowSchedule},
    workflow::Workflow,
};

use crate::{
    convert::{Read, fit, stored, utc},
    error::ErrorContext,
    sql::{self, ScheduleValues},
};

const ENTITY: &str = "schedule";

#[derive(FromQueryResult)]
struct StandingRow {
    now: NaiveDateTime,
    config: Option<Value>,
    next_at: Option<NaiveDateTime>,
    queued_for: Option<NaiveDateTime>,
    has_just_ended: bool,
}

/// Ends the schedule of a workflow, if it has one.
pub(super) async fn end(conn: &impl ConnectionTrait, workflow: WorkflowId) -> Result<()> {
    conn.execute_raw(sql::end_schedules(vec![workflow.as_uuid()])).await.about(ENTITY).map(|_| ())
}

/// Begins the schedule of a workflow, if it is to have one.
pub(super) async fn begin(conn: &impl ConnectionTrait, workflow: &Workflow) -> Result<()> {
    let Some(new) = WorkflowSchedule::of(workflow) else { return Ok(()) };
    let (id, owner) = (workflow.id.as_uuid(), workflow.user_id.as_uuid());
    let row = StandingRow::find_by_statement(sql::find_schedule(id, owner, workflow.name.as_str()));
    let row = Read(ENTITY).required(row.one(conn).await.about(ENTITY)?, "now")?;
    let now = row.now.and_utc();
    let before = row.has_just_ended.then(|| row.before()).flatten();
    let state = new.schedule.begin(before.as_ref().map(|(schedule, state)| (schedule, *state)), now);
    let jitter_ms = state.next_at.map_or(0, |tick| new.schedule.jitter_ms(workflow.id, tick));
    let values = ScheduleValues {
        workflow_id: id,
        user_id: owner,
        name: workflow.name.to_string(),
        config: new.schedule.write().to_string(),
        steps_total: fit(new.steps_total)?,
        timeout_ms: fit(new.timeout_ms)?,
        next_at: stored(state.next_at),
        jitter_ms: fit(jitter_ms)?,
        queued_for: stored(state.queued_for),
    };
    conn.execute_raw(sql::put_schedule(values)).await.about(ENTITY).map(|_| ())
}

impl StandingRow {
    /// What is taken over; nothing, if it cannot be read: it could not be fired either.
    fn before(&self) -> Option<(Schedule, ScheduleState)> {
        let schedule = Schedule::parse(self.config.as_ref()?).ok()?;
        Some((schedule, ScheduleState { next_at: utc(self.next_at), queued_for: utc(self.queued_for) }))
    }
}
