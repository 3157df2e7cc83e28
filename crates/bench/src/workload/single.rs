//! One execution at a time: how long it takes, against the commits that it cannot do without.

use std::sync::Arc;

use sqlx::Connection as _;

use crate::{
    agent::Noop,
    bench::Bench,
    counters::Counters,
    document::{Shape, Workflow},
    limit,
    load::Plan,
    report::{Figures, Target, Workload},
    round::{self, Round},
    server::Database,
    stats::{median, percentile},
};

/// A shape, what it is called, and how many times the latency of its limit it may take.
struct Case {
    name: &'static str,
    shape: Shape,
    ratio_max: f64,
}

/// A single step, a chain and a fan-out.
///
/// # Errors
///
/// What kept one from being measured.
pub(crate) async fn single(bench: &Bench<'_>) -> anyhow::Result<Vec<Workload>> {
    let cases = [
        Case { name: "single", shape: Shape::Chain(1), ratio_max: 1.3 },
        Case { name: "single-chain", shape: Shape::Chain(10), ratio_max: 1.25 },
        Case { name: "single-fanout", shape: Shape::FanOut(40), ratio_max: 1.7 },
    ];
    let mut workloads = Vec::new();
    for case in cases {
        workloads.push(measure(bench, &case).await?);
    }
    Ok(workloads)
}

async fn measure(bench: &Bench<'_>, case: &Case) -> anyhow::Result<Workload> {
    bench
        .on_database(case.name, async |database| {
            let workflow = Workflow::publish(database, &case.shape).await?;
            let (mut rounds, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for number in 1..=bench.args.rounds {
                let figures = engine(bench, database, &workflow).await?;
                let limit_ms = limited(bench, database, &case.shape).await?;
                let p50_ms = figures.p50_ms.unwrap_or_default();
                let name = case.name;
                bench.say(&format!("{name}, round {number}: {p50_ms:.3} ms, the limit is {limit_ms:.3}"));
                ratios.push(p50_ms / limit_ms);
                limits.push(limit_ms);
                rounds.push(figures);
            }
            Ok(workload(case, Figures::median(&rounds), (median(&limits), median(&ratios))))
        })
        .await
}

fn workload(case: &Case, figures: Figures, limit: (Option<f64>, Option<f64>)) -> Workload {
    let (limit_p50_ms, ratio_to_limit) = limit;
    let p50 = ratio_to_limit.map(|ratio| Target::at_most("p50 as a multiple of the limit's", ratio, case.ratio_max));
    let p99 = figures.p99_ms.zip(limit_p50_ms).map(|(p99_ms, limit)| p99_ms / limit);
    let p99 = p99.map(|ratio| Target::at_most("p99 as a multiple of the limit's p50", ratio, 3.0));
    Workload {
        name: case.name.to_owned(),
        figures,
        limit: Figures { p50_ms: limit_p50_ms, ..Figures::default() },
        ratio_to_limit,
        notes: vec![
            "one execution at a time".to_owned(),
            "the limit is its commits in slim tables, one after another on one connection".to_owned(),
        ],
        targets: p50.into_iter().chain(p99).collect(),
        ..Workload::default()
    }
}

async fn engine(bench: &Bench<'_>, database: &Database, workflow: &Workflow) -> anyhow::Result<Figures> {
    let plan = Plan { in_flight: 1, warm_up: bench.args.warm_up(), measured: bench.args.measured() };
    Ok(round::run(bench, Round { database, workflow, plan, runner: Arc::new(Noop) }).await?.figures)
}

/// The median latency of the limit in one round, in milliseconds.
async fn limited(bench: &Bench<'_>, database: &Database, shape: &Shape) -> anyhow::Result<f64> {
    Counters::open(bench.server, database).await?.checkpoint().await?;
    let (database, shape, measured) = (database.clone(), shape.clone(), bench.args.measured() / 2);
    let latencies = bench.threads.spawn(async move {
        let mut session = database.connect().await?;
        limit::make_tables(&mut session).await?;
        let latencies = limit::shapes::latencies_ms(&mut session, &shape, measured).await?;
        session.close().await?;
        anyhow::Ok(latencies)
    });
    Ok(percentile(&latencies.await??, 0.5).unwrap_or_default())
}
