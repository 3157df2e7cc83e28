//! A process that has nothing to do: what it asks of the database, and what it costs.
//!
//! Sessions report their transactions with a delay, but for their end. So two processes live after one another, one for
//! longer: what the longer one asked more is what idling asks.

use std::time::{Duration, Instant};

use crate::{
    bench::Bench,
    counters::Counters,
    crew::Member,
    process,
    report::{Figures, Target, Workload},
    server::Database,
    stats::number,
    worker::{Done, Task},
};

/// How long a process lives before it is looked at.
const SETTLED: Duration = Duration::from_secs(2);

/// What a life took.
struct Life {
    done: Done,
    transactions: f64,
    cpu: Duration,
    seconds: f64,
}

/// Measures a process that has nothing to do.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn idle(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let watched = bench.args.measured() * 2;
    let (short, long) = bench
        .on_database("idle", async |database| {
            Ok((life(bench, database, Duration::ZERO).await?, life(bench, database, watched).await?))
        })
        .await?;
    let seconds = long.seconds - short.seconds;
    let transactions = (long.transactions - short.transactions).max(0.0) / seconds;
    let calls = number(long.done.round_trips.saturating_sub(short.done.round_trips)) / seconds;
    let cpu = long.cpu.as_secs_f64() / watched.as_secs_f64() * 100.0;
    bench.say(&format!("idle: {transactions:.2} transactions/s, {cpu:.2} % of a core"));
    Ok(Workload {
        name: "idle".to_owned(),
        figures: Figures { rss_bytes_max: Some(number(long.done.rss_bytes_max)), ..Figures::default() },
        notes: vec![
            format!("one process over {} s, its listener for hints included", watched.as_secs()),
            format!("{calls:.2} calls of ports a second"),
        ],
        targets: vec![Target::at_most("transactions/s", transactions, 1.0), Target::at_most("% of a core", cpu, 1.0)],
        ..Workload::default()
    })
}

/// Lets a process live until it has settled and was watched for so long.
async fn life(bench: &Bench<'_>, database: &Database, watched: Duration) -> anyhow::Result<Life> {
    let mut counters = Counters::open(bench.server, database).await?;
    let before = counters.totals().await?;
    let member = Member::start(database, &Task::Idle).await?;
    let began = Instant::now();
    tokio::time::sleep(SETTLED).await;
    let pid = member.pid().unwrap_or_default();
    let cpu = process::cpu_of(pid);
    tokio::time::sleep(watched).await;
    let cpu = process::cpu_of(pid).saturating_sub(cpu);
    let seconds = began.elapsed().as_secs_f64();
    let done = member.end().await?;
    let after = counters.totals().await?;
    let transactions = number(u64::try_from(after.transactions - before.transactions).unwrap_or_default());
    Ok(Life { done, transactions, cpu, seconds })
}
