//! Very many executions that sleep, and how fast they wake.
//!
//! One execution is accepted and parked by the engine. Its rows are then copied in SQL, with ids of their own, to as
//! many as are wanted: parking a million would take minutes and show nothing more. An engine that is started on them is
//! measured: its memory; how late executions wake that it parked itself, one every ten milliseconds; and how long it
//! takes to wake ten thousand of the copies that become due at one moment.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout_at};
use turbocat_domain::{
    id::ExecutionId,
    port::{Clock as _, ExecutionAcceptor as _},
};
use turbocat_engine::EngineOptions;

use crate::{
    adapter::SystemClock,
    agent::Noop,
    bench::Bench,
    document::Workflow,
    meter::Ended,
    process,
    report::{Figures, Target, Workload},
    server::Database,
    stats::{ms, number, percentile},
    subject::{POOL_MAX, Start, Subject},
};

/// Copies a parked execution.
const COPY: &str = include_str!("sleepers.sql");
/// Makes some of the copies due at a moment.
const WAKE: &str = "\
    UPDATE executions SET wake_at = $2, input_data = jsonb_build_object('until', to_char($2, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))
    WHERE id IN (SELECT id FROM executions WHERE worker_id IS NULL AND wake_at > $2 LIMIT $1)";

/// How many executions one statement copies.
const PART: u64 = 100_000;
/// How many of the copies wake at one moment.
const BURST: u64 = 10_000;
/// How many executions wake one after another.
const TRICKLE: u32 = 500;
/// What is farther away than this is parked.
const AHEAD: TimeDelta = TimeDelta::seconds(8);

/// The most memory of an engine with all of them asleep, in MiB.
const MEMORY_MAX: f64 = 200.0;

/// What was seen.
struct Seen {
    rss_bytes: u64,
    lags_ms: Vec<f64>,
    burst_ms: f64,
}

/// Measures sleeping executions.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn sleepers(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let seen = bench
        .on_database("sleepers", async |database| {
            let workflow = Workflow::publish_document(database, &document(), 1).await?;
            multiply(bench, database, &workflow).await?;
            bench.say(&format!("sleepers: {} executions are asleep", bench.args.sleepers));
            let (subject, mut ends) = start(bench, database).await?;
            let seen = watch((&subject, &mut ends), database, (&workflow, bench.args.sleepers)).await;
            subject.stop().await?;
            seen
        })
        .await?;
    let burst = BURST.min(bench.args.sleepers);
    let memory = number(seen.rss_bytes) / 1_048_576.0;
    let (p50_ms, p99_ms) = (percentile(&seen.lags_ms, 0.5), percentile(&seen.lags_ms, 0.99));
    bench.say(&format!("sleepers: {burst} woke in {:.0} ms", seen.burst_ms));
    let lag = p99_ms.map(|lag| Target::at_most("lag of a timer p99, ms", lag, 50.0));
    let targets = [
        Target::at_most("memory of the engine, MiB", memory, MEMORY_MAX),
        Target::at_most(format!("ms to wake {burst} at once"), seen.burst_ms, 1_000.0),
    ];
    Ok(Workload {
        name: "sleepers".to_owned(),
        figures: Figures { p50_ms, p99_ms, rss_bytes_max: Some(number(seen.rss_bytes)), ..Figures::default() },
        notes: vec![
            format!(
                "{} executions asleep; all but the first are copies made in SQL of one that the engine parked",
                bench.args.sleepers
            ),
            format!("the latency is how late {TRICKLE} executions woke that were parked, ten milliseconds apart"),
        ],
        targets: targets.into_iter().chain(lag).collect(),
        ..Workload::default()
    })
}

fn document() -> Value {
    let nap = json!({ "key": "nap", "type": "wait", "config": { "until": "${{ input.until }}" } });
    // An agent comes with every workflow of the bench.
    json!({ "name": "bench", "settings": { "timeout_ms": 30_u64 * 86_400_000 }, "steps": [nap] })
}

async fn start(bench: &Bench<'_>, database: &Database) -> anyhow::Result<(Subject, UnboundedReceiver<Ended>)> {
    let options = EngineOptions { name: "bench".to_owned(), ..EngineOptions::default() };
    let runner = Arc::new(Noop);
    Subject::start(Start { threads: bench.threads, url: &database.url, options, runner, pool_max: POOL_MAX }).await
}

/// Parks one execution through the engine, and copies it.
async fn multiply(bench: &Bench<'_>, database: &Database, workflow: &Workflow) -> anyhow::Result<()> {
    let (subject, _ends) = start(bench, database).await?;
    let far = until(workflow, SystemClock.now() + TimeDelta::hours(12));
    let execution = far.execution();
    let id = execution.id;
    subject.handle().accept(vec![execution]).await?;
    let mut session = database.connect().await?;
    until_parked(&mut session, 1).await?;
    subject.stop().await?;
    let mut begin = 1;
    while begin < bench.args.sleepers {
        let end = (begin + PART).min(bench.args.sleepers);
        sqlx::query("SET session_replication_role = replica").execute(&mut session).await?;
        sqlx::query(COPY)
            .bind(id.as_uuid())
            .bind(i64::try_from(begin)?)
            .bind(i64::try_from(end)?)
            .execute(&mut session)
            .await?;
        begin = end;
    }
    // As a server that has had them for a while would have done by itself.
    sqlx::query("VACUUM (ANALYZE) executions, step_runs").execute(&mut session).await?;
    session.close().await?;
    Ok(())
}

/// The workflow, with executions that sleep until then.
fn until(workflow: &Workflow, moment: DateTime<Utc>) -> Workflow {
    Workflow { input: json!({ "until": moment.to_rfc3339() }), ..workflow.clone() }
}

async fn until_parked(session: &mut PgConnection, count: i64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let parked = "SELECT count(*) FROM (SELECT FROM executions WHERE worker_id IS NULL AND wake_at IS NOT NULL LIMIT $1) AS parked";
    while sqlx::query_scalar::<_, i64>(parked).bind(count).fetch_one(&mut *session).await? < count {
        ensure!(Instant::now() < deadline, "an execution that sleeps is not parked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn watch(
    (subject, ends): (&Subject, &mut UnboundedReceiver<Ended>),
    database: &Database,
    (workflow, sleepers): (&Workflow, u64),
) -> anyhow::Result<Seen> {
    const SETTLE: Duration = Duration::from_secs(3);
    tokio::time::sleep(SETTLE).await;
    let rss_bytes = process::rss_bytes(None);
    let lags_ms = trickle(subject, ends, workflow).await?;
    let burst_ms = burst(ends, database, BURST.min(sleepers)).await?;
    Ok(Seen { rss_bytes, lags_ms, burst_ms })
}

/// How late executions wake that become due one after another.
async fn trickle(
    subject: &Subject,
    ends: &mut UnboundedReceiver<Ended>,
    workflow: &Workflow,
) -> anyhow::Result<Vec<f64>> {
    const APART: TimeDelta = TimeDelta::milliseconds(10);
    let (base, first) = (Instant::now(), SystemClock.now() + AHEAD);
    let moments = (0..i32::try_from(TRICKLE)?).map(|place| AHEAD + APART * place);
    let mut due = HashMap::new();
    let mut executions = Vec::new();
    for ahead in moments {
        let execution = until(workflow, first - AHEAD + ahead).execution();
        due.insert(execution.id, base + ahead.to_std()?);
        executions.push(execution);
    }
    subject.handle().accept(executions).await?;
    let ended = collect(ends, due.keys().copied().collect(), Duration::from_mins(1)).await?;
    Ok(ended.iter().filter_map(|(id, at)| Some(ms(at.saturating_duration_since(*due.get(id)?)))).collect())
}

/// How long it takes until so many have woken that become due at one moment, in milliseconds.
async fn burst(ends: &mut UnboundedReceiver<Ended>, database: &Database, count: u64) -> anyhow::Result<f64> {
    let mut session = database.connect().await?;
    let (base, moment) = (Instant::now(), SystemClock.now() + AHEAD);
    sqlx::query(WAKE).bind(i64::try_from(count)?).bind(moment.naive_utc()).execute(&mut session).await?;
    ensure!(base.elapsed() < AHEAD.to_std()?, "the moment was over before all were due at it");
    let mut last = base;
    let mut woken = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while woken < count {
        let ended = timeout_at(deadline, ends.recv()).await;
        let ended =
            ended.with_context(|| format!("only {woken} of {count} woke"))?.context("the engine has stopped")?;
        woken += u64::try_from(ended.ids.len())?;
        last = ended.at;
    }
    session.close().await?;
    Ok(ms(last.saturating_duration_since(base + AHEAD.to_std()?)))
}

/// Waits for the ends of these executions, and returns when they were.
async fn collect(
    ends: &mut UnboundedReceiver<Ended>,
    mut missing: std::collections::HashSet<ExecutionId>,
    patience: Duration,
) -> anyhow::Result<Vec<(ExecutionId, Instant)>> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut at = Vec::new();
    while !missing.is_empty() {
        let ended = timeout_at(deadline, ends.recv()).await;
        let ended = ended.with_context(|| format!("{} did not wake", missing.len()))?;
        let ended = ended.context("the engine has stopped")?;
        at.extend(ended.ids.into_iter().filter(|id| missing.remove(id)).map(|id| (id, ended.at)));
    }
    Ok(at)
}
