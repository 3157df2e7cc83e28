//! A round of the engine: started, warmed up, measured, stopped, and what it cost.

use std::sync::Arc;

use turbocat_domain::port::AgentRunner;
use turbocat_engine::EngineOptions;

use crate::{
    bench::Bench,
    counters::{Cost, Counters},
    document::Workflow,
    load::{Load, Plan, Window},
    meter::Counts,
    process,
    report::Figures,
    server::Database,
    stats::{number, percentile},
    subject::{POOL_MAX, Start, Subject},
};

/// What a round measures.
pub(crate) struct Round<'a> {
    /// The database, which nobody else uses.
    pub(crate) database: &'a Database,
    /// What is executed.
    pub(crate) workflow: &'a Workflow,
    /// How much of it.
    pub(crate) plan: Plan,
    /// What its agents do.
    pub(crate) runner: Arc<dyn AgentRunner>,
}

/// What a round showed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The usual figures.
    pub(crate) figures: Figures,
    /// By how much the memory grew at most while there was load, in bytes.
    pub(crate) rss_growth_bytes: u64,
}

/// Runs a round of the engine, after a checkpoint.
///
/// # Errors
///
/// If the engine does not start, or an execution does not complete.
pub(crate) async fn run(bench: &Bench<'_>, round: Round<'_>) -> anyhow::Result<Outcome> {
    let mut counters = Counters::open(bench.server, round.database).await?;
    counters.checkpoint().await?;
    let before = counters.totals().await?;
    let max_executions = EngineOptions::default().max_executions.max(round.plan.in_flight * 2);
    let start = Start {
        threads: bench.threads,
        url: &round.database.url,
        options: EngineOptions { name: "bench".to_owned(), max_executions, ..EngineOptions::default() },
        runner: round.runner,
        pool_max: POOL_MAX,
    };
    let (subject, mut ends) = Subject::start(start).await?;
    process::forget_peak();
    let rss_bytes = process::rss_bytes(None);
    let window = Load::new(&subject, round.workflow, &mut ends).run(round.plan, Some(&mut counters)).await;
    let (life, rss_bytes_max) = (subject.meter.counts(), process::peak_rss_bytes(None));
    subject.stop().await?;
    let window = window?;
    let after = counters.totals().await?;
    let cost = Cost::between((before, window.from.0), (after, window.to.0));
    let figures = Figures { rss_bytes_max: Some(number(rss_bytes_max)), ..figures(&window, &life, &cost) };
    Ok(Outcome { figures, rss_growth_bytes: rss_bytes_max.saturating_sub(rss_bytes) })
}

/// Rates, latencies, WAL and CPU are those between the two moments. Commits, rows and round trips are those of the
/// engine's whole life over all its steps: sessions report them when they end.
fn figures(window: &Window, life: &Counts, cost: &Cost) -> Figures {
    let (steps, all_steps) = (number(window.steps()), number(life.steps));
    Figures {
        steps_per_s: Some(steps / cost.seconds),
        executions_per_s: Some(number(window.executions()) / cost.seconds),
        p50_ms: percentile(&window.latencies_ms, 0.5),
        p99_ms: percentile(&window.latencies_ms, 0.99),
        commits_per_step: Some(cost.transactions / all_steps),
        round_trips_per_step: Some(number(life.round_trips) / all_steps),
        wal_bytes_per_step: Some(cost.wal_bytes / steps),
        rows_per_step: Some(cost.rows / all_steps),
        server_cpu_us_per_step: cost.server_cpu_us.map(|cpu| cpu / steps),
        engine_cpu_us_per_step: Some(cost.engine_cpu_us / steps),
        rss_bytes_max: None,
    }
}
