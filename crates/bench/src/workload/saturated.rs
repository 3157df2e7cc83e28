//! Many executions at once: how many steps a second, and what each of them costs.
//!
//! The engine and the limit take turns on the same tables of the same server, with a checkpoint before each; what
//! counts is the median of the ratios of the rounds.

use std::sync::Arc;

use sqlx::Connection as _;

use crate::{
    agent::Noop,
    bench::Bench,
    counters::Counters,
    document::{Shape, Workflow},
    limit::{
        commits,
        rows::{RowLimit, Way},
    },
    load::Plan,
    report::{Figures, Target, Workload},
    round::{self, Round},
    server::Database,
    stats::{median, number},
};

/// How much more than its gate a figure may be: what a repetition differs by.
const GATE_TOLERANCE: f64 = 1.03;

/// Chains of ten steps.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn chain(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let in_flight = usize::try_from(bench.args.in_flight)?;
    let mut workload = against_limit(bench, "chain", (&Shape::Chain(10), in_flight)).await?;
    let figures = workload.figures;
    let targets = [
        figures.wal_bytes_per_step.map(|value| Target::at_most("WAL bytes/step", value, 950.0)),
        figures.server_cpu_us_per_step.map(|value| Target::at_most("server CPU us/step", value, 45.0)),
    ];
    workload.targets.extend(targets.into_iter().flatten());
    Ok(workload)
}

/// 40 steps at once, and one that waits for all of them.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn fan_out(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let in_flight = usize::try_from(bench.args.in_flight.div_ceil(10))?;
    against_limit(bench, "fanout", (&Shape::FanOut(40), in_flight)).await
}

/// What a step of a chain may cost, whatever the machine is busy with.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn gates(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let figures = bench
        .on_database("gates", async |database| {
            let workflow = Workflow::publish(database, &Shape::Chain(10)).await?;
            engine(bench, database, (&workflow, usize::try_from(bench.args.in_flight)?)).await
        })
        .await?;
    let gate = |name: &str, value: Option<f64>, bound: f64| value.map(|value| gate(name, value, bound));
    let counts = [
        gate("commits/step", figures.commits_per_step, 0.02),
        gate("WAL bytes/step", figures.wal_bytes_per_step, 950.0),
        gate("rows written/step", figures.rows_per_step, 2.3),
    ];
    let cpu = [
        gate("server CPU us/step", figures.server_cpu_us_per_step, 45.0),
        gate("engine CPU us/step", figures.engine_cpu_us_per_step, 15.0),
    ];
    let cpu = cpu.into_iter().filter(|_| bench.args.gate_cpu);
    let notes = vec!["a gate is broken by more than 3 % over its bound; the bounds shown have them in".to_owned()];
    let targets = counts.into_iter().chain(cpu).flatten().collect();
    Ok(Workload { name: "gates".to_owned(), figures, targets, notes, ..Workload::default() })
}

fn gate(name: &str, value: f64, bound: f64) -> Target {
    Target::at_most(name, value, bound * GATE_TOLERANCE)
}

/// Measures a shape of workflow against its limit, in turns.
async fn against_limit(bench: &Bench<'_>, name: &str, load: (&Shape, usize)) -> anyhow::Result<Workload> {
    let (shape, in_flight) = load;
    bench
        .on_database(name, async |database| {
            let workflow = Workflow::publish(database, shape).await?;
            let limit = RowLimit::prepare(database, &workflow, shape).await?;
            let way = limit.fastest_way(bench.threads, bench.args.tried()).await?;
            let commits = commits::best(bench.threads, database, bench.args.tried()).await?;
            let (mut rounds, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for number in 1..=bench.args.rounds {
                let figures = engine(bench, database, (&workflow, in_flight)).await?;
                let limit = limited(bench, database, (&limit, way)).await?;
                let (rate, bound) = (figures.steps_per_s.unwrap_or_default(), limit.steps_per_s.unwrap_or_default());
                bench.say(&format!("{name}, round {number}: {rate:.0} steps/s, the limit is {bound:.0}"));
                ratios.push(rate / bound);
                limits.push(limit);
                rounds.push(figures);
            }
            let (figures, limit) = (Figures::median(&rounds), Figures::median(&limits));
            let ratio = median(&ratios).unwrap_or_default();
            let to_commits = figures.steps_per_s.unwrap_or_default() / commits.per_s;
            Ok(Workload {
                name: name.to_owned(),
                figures,
                limit_steps_per_s: limit.steps_per_s,
                limit,
                ratio_to_limit: Some(ratio),
                notes: notes(in_flight, way, commits),
                targets: vec![
                    Target::at_least("share of the limit", ratio, 0.5),
                    Target::at_least("multiple of one commit a step", to_commits, 2.0),
                ],
            })
        })
        .await
}

fn notes(in_flight: usize, way: Way, commits: commits::BestCommits) -> Vec<String> {
    let Way { steps, connections } = way;
    vec![
        format!("{in_flight} executions in flight"),
        format!("the limit is the same rows in batches of {steps} steps on {connections} connections"),
        format!("one commit a step: {:.0} steps/s by {} clients", commits.per_s, commits.clients),
    ]
}

async fn engine(bench: &Bench<'_>, database: &Database, load: (&Workflow, usize)) -> anyhow::Result<Figures> {
    let (workflow, in_flight) = load;
    let plan = Plan { in_flight, warm_up: bench.args.warm_up(), measured: bench.args.measured() };
    Ok(round::run(bench, Round { database, workflow, plan, runner: Arc::new(Noop) }).await?.figures)
}

/// The limit for one round. What it leaves to be folded is nothing that the engine should do.
async fn limited(bench: &Bench<'_>, database: &Database, limit: (&RowLimit, Way)) -> anyhow::Result<Figures> {
    let (limit, way) = limit;
    let mut counters = Counters::open(bench.server, database).await?;
    counters.checkpoint().await?;
    let (totals, from) = (counters.totals().await?, counters.usage().await?);
    let written = limit.write(bench.threads, way, bench.args.measured()).await?;
    let cost = counters.since((totals, from)).await?;
    let steps = number(written.steps);
    let mut session = database.connect().await?;
    sqlx::query("TRUNCATE counter_deltas").execute(&mut session).await?;
    session.close().await?;
    Ok(Figures {
        steps_per_s: Some(written.steps_per_s),
        commits_per_step: Some(cost.transactions / steps),
        round_trips_per_step: Some(cost.transactions / steps),
        wal_bytes_per_step: Some(cost.wal_bytes / steps),
        rows_per_step: Some(cost.rows / steps),
        server_cpu_us_per_step: cost.server_cpu_us.map(|cpu| cpu / steps),
        engine_cpu_us_per_step: Some(cost.engine_cpu_us / steps),
        ..Figures::default()
    })
}
