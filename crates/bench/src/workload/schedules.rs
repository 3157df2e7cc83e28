//! Very many schedules, fired by four processes.
//!
//! One scheduled workflow is published; it is copied in SQL, with its steps and its schedule, to as many as are wanted.
//! First they become due one after another, ten times as fast as if all were due within an hour: how late each tick is.
//! Then all become due at one moment: how long it takes until all their executions are accepted, and that none is lost
//! and none doubled. That moments are those of no cron expression makes no difference: what was not handled is a tick.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{NaiveDateTime, TimeDelta};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::{
    bench::Bench,
    crew::Member,
    document::Workflow,
    report::{Figures, Target, Workload},
    server::Database,
    stats::{ms, number, percentile},
    worker::Task,
};

/// Copies a scheduled workflow.
const COPY: &str = include_str!("schedules.sql");
/// How many schedules one statement copies.
const PART: u64 = 20_000;
/// Who fires.
const PROCESSES: usize = 4;
/// How many times as fast as real time an hour passes.
const SPEED: f64 = 10.0;
/// How far ahead what is to be due is set.
const AHEAD: TimeDelta = TimeDelta::seconds(15);
/// How often is looked at what became of it.
const LOOK: Duration = Duration::from_millis(100);

/// Makes `$1` schedules due, `$3` microseconds apart, from `$2` on.
const MAKE_DUE: &str = "\
    UPDATE schedules SET next_at = $2 + (place - 1) * $3 * INTERVAL '1 microsecond'
    FROM (SELECT workflow_id, row_number() OVER () AS place FROM schedules LIMIT $1) AS chosen
    WHERE schedules.workflow_id = chosen.workflow_id";
const LAGS: &str = "\
    SELECT (EXTRACT(EPOCH FROM decided_at - scheduled_for) * 1000)::float8 FROM schedule_ticks
    WHERE verdict = 'started'";

/// What was seen.
struct Seen {
    lags_ms: Vec<f64>,
    burst_ms: f64,
    executions: i64,
    doubled: i64,
    completed: i64,
    wanted: u64,
}

/// Measures schedules.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn schedules(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let count = bench.args.schedules;
    let seen = bench
        .on_database("schedules", async |database| {
            let workflow = Workflow::publish_document(database, &document(), 1).await?;
            let mut session = database.connect().await?;
            multiply(&mut session, &workflow, count).await?;
            bench.say(&format!("schedules: {count} are there"));
            let seen = fire(bench, database, &mut session).await;
            session.close().await?;
            seen
        })
        .await?;
    bench.say(&format!("schedules: {count} at once were accepted in {:.0} ms", seen.burst_ms));
    let (p50_ms, p99_ms) = (percentile(&seen.lags_ms, 0.5), percentile(&seen.lags_ms, 0.99));
    let lost = i64::try_from(seen.wanted)? - seen.executions + seen.doubled;
    let of = |name: &str, count: i64| Target::at_most(name, number(count.unsigned_abs()), 0.0);
    Ok(Workload {
        name: "schedules".to_owned(),
        figures: Figures { p50_ms, p99_ms, ..Figures::default() },
        notes: vec![
            format!("{count} schedules in {PROCESSES} processes; all but the first are copies made in SQL"),
            format!(
                "the latency is how late {} ticks were decided, {SPEED} times as fast as in an hour",
                seen.lags_ms.len()
            ),
            format!("{} executions were accepted in all, {} have completed", seen.executions, seen.completed),
        ],
        targets: vec![
            Target::at_most(format!("ms until {count} that are due at once are accepted"), seen.burst_ms, 8_000.0),
            of("ticks lost", lost),
            of("ticks doubled", seen.doubled),
        ],
        ..Workload::default()
    })
}

fn document() -> Value {
    json!({
        "name": "bench",
        "triggers": { "schedule": { "cron": "0 0 1 1 *", "overlap": "allow" } },
        "steps": [{ "key": "only", "type": "agent", "agent": "bench" }],
    })
}

async fn multiply(session: &mut PgConnection, workflow: &Workflow, count: u64) -> anyhow::Result<()> {
    let mut begin = 1;
    while begin < count {
        let end = (begin + PART).min(count);
        let (id, from, to) = (workflow.id.as_uuid(), i64::try_from(begin)?, i64::try_from(end)?);
        sqlx::query(COPY).bind(id).bind(from).bind(to).execute(&mut *session).await?;
        begin = end;
    }
    sqlx::query("VACUUM (ANALYZE) workflows, workflow_steps, schedules").execute(session).await?;
    Ok(())
}

async fn fire(bench: &Bench<'_>, database: &Database, session: &mut PgConnection) -> anyhow::Result<Seen> {
    let mut crew = Vec::new();
    for _ in 0..PROCESSES {
        crew.push(Member::start(database, &Task::Idle).await?);
    }
    let apart_us = 3_600e6 / SPEED / number(bench.args.schedules);
    let some = trickle_size(bench, apart_us).min(bench.args.schedules);
    make_due(session, some, apart_us).await?;
    until_ticks(session, some, Duration::from_mins(3)).await?;
    let lags_ms = sqlx::query_scalar(LAGS).fetch_all(&mut *session).await?;
    let due_at = make_due(session, bench.args.schedules, 0.0).await?;
    let wanted = some + bench.args.schedules;
    until_ticks(session, wanted, Duration::from_mins(3)).await?;
    let burst_ms = ms(Instant::now().saturating_duration_since(due_at));
    for member in crew {
        member.end().await?;
    }
    let counts = "\
        SELECT count(*), count(*) - count(DISTINCT (workflow_id, trigger_data)), count(*) FILTER (WHERE status = 'completed')
        FROM executions WHERE trigger_type = 'scheduled'";
    let (executions, doubled, completed) = sqlx::query_as(counts).fetch_one(session).await?;
    Ok(Seen { lags_ms, burst_ms, executions, doubled, completed, wanted })
}

/// How many become due one after another in twice the time of a measurement.
fn trickle_size(bench: &Bench<'_>, apart_us: f64) -> u64 {
    let mut size = 1;
    while number(size) * apart_us < bench.args.measured().as_secs_f64() * 2e6 {
        size += 1;
    }
    size
}

/// Makes some due, so far apart, and returns when the first of them is.
async fn make_due(session: &mut PgConnection, count: u64, apart_us: f64) -> anyhow::Result<Instant> {
    let asked = Instant::now();
    let now: NaiveDateTime = sqlx::query_scalar("SELECT LOCALTIMESTAMP").fetch_one(&mut *session).await?;
    let made = sqlx::query(MAKE_DUE).bind(i64::try_from(count)?).bind(now + AHEAD).bind(apart_us);
    made.execute(session).await?;
    let due_at = asked + AHEAD.to_std()?;
    ensure!(Instant::now() < due_at, "the moment was over before all were due at it");
    Ok(due_at)
}

/// Waits until so many ticks have been decided, in all.
async fn until_ticks(session: &mut PgConnection, count: u64, patience: Duration) -> anyhow::Result<()> {
    let (deadline, count) = (Instant::now() + patience, i64::try_from(count)?);
    loop {
        let ticks: i64 = sqlx::query_scalar("SELECT count(*) FROM schedule_ticks").fetch_one(&mut *session).await?;
        if ticks >= count {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {ticks} of {count} ticks were decided");
        tokio::time::sleep(LOOK).await;
    }
}
