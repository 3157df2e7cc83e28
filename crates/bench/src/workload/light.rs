//! Forty light tasks in a row, one execution at a time: what the engine adds to what the tasks take themselves.

use std::sync::Arc;

use crate::{
    agent::Fibonacci,
    bench::Bench,
    document::{Shape, Workflow},
    load::Plan,
    report::{Figures, Target, Workload},
    round::{self, Round},
    stats::ms,
};

/// How many tasks there are.
const TASKS: usize = 40;

/// Measures an execution of light tasks.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn light(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let (figures, overhead_ms, tasks_ms) = bench
        .on_database("light", async |database| {
            let workflow = Workflow::publish(database, &Shape::Chain(TASKS)).await?;
            let (mut rounds, mut tasks_ms) = (Vec::new(), 0.0);
            for _ in 0..bench.args.rounds {
                let runner = Arc::new(Fibonacci::default());
                let plan = Plan { in_flight: 1, warm_up: bench.args.warm_up(), measured: bench.args.measured() };
                let round = Round { database, workflow: &workflow, plan, runner: Arc::clone(&runner) as _ };
                rounds.push(round::run(bench, round).await?.figures);
                let (spent, calls) = runner.spent();
                tasks_ms = ms(spent) / f64::from(calls) * f64::from(u32::try_from(TASKS)?);
            }
            let figures = Figures::median(&rounds);
            Ok((figures, figures.p50_ms.unwrap_or_default() - tasks_ms, tasks_ms))
        })
        .await?;
    bench.say(&format!("light: the engine adds {overhead_ms:.2} ms"));
    Ok(Workload {
        name: "light".to_owned(),
        figures,
        notes: vec![format!("one execution at a time of {TASKS} tasks, which take {tasks_ms:.4} ms themselves")],
        targets: vec![Target::at_most("ms that the engine adds", overhead_ms, 15.0)],
        ..Workload::default()
    })
}
