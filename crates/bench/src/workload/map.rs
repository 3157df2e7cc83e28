//! A map over many items in one execution: what an item costs, in time and in memory, and that this does not depend on
//! how many there are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    agent::Noop,
    bench::Bench,
    document::Workflow,
    load::Plan,
    report::{Figures, Target, Workload},
    round::{self, Round},
    server::Database,
    stats::{number, size},
};

/// The widths that are compared.
const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// The most memory of an item, in bytes.
const BYTES_MAX: f64 = 2_048.0;

/// How much more an item of many may cost than one of few.
const GROWTH_MAX: f64 = 1.25;

/// Measures a map over few and over many items.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn map(bench: &Bench<'_>) -> anyhow::Result<Vec<Workload>> {
    let (few, many) = bench
        .on_database("map", async |database| {
            let workflow = Workflow::publish_document(database, &document(), 1).await?;
            let (mut few, mut many) = (Vec::new(), Vec::new());
            for number in 1..=bench.args.rounds {
                few.push(over(bench, database, (&workflow, FEW)).await?);
                many.push(over(bench, database, (&workflow, MANY)).await?);
                let rate = many.last().and_then(|round| round.0.steps_per_s).unwrap_or_default();
                bench.say(&format!("map, round {number}: {rate:.0} items/s"));
            }
            Ok((few, many))
        })
        .await?;
    let (few, many) = (workload("map-1000", FEW, &few), workload("map-10000", MANY, &many));
    let growth = cpu_us(&many.figures).zip(cpu_us(&few.figures)).map(|(many, few)| many / few);
    let growth =
        growth.map(|growth| Target::at_most("CPU of an item, as a multiple of that of 1,000", growth, GROWTH_MAX));
    let targets = many.targets.into_iter().chain(growth).collect();
    Ok(vec![few, Workload { targets, ..many }])
}

fn document() -> Value {
    json!({
        "name": "bench",
        "settings": { "max_parallel_steps": 1_000 },
        "steps": [
            {
                "key": "spread", "type": "parallel",
                "config": { "items": "${{ input.items }}", "body": ["one"], "max_concurrency": 1_000 },
            },
            { "key": "one", "type": "agent", "agent": "bench", "inputs": { "item": "${{ item }}" } },
        ],
    })
}

/// Runs one execution after another over so many items. Returns the figures, and the memory of an item in bytes.
async fn over(bench: &Bench<'_>, database: &Database, map: (&Workflow, usize)) -> anyhow::Result<(Figures, f64)> {
    let (workflow, width) = map;
    let input = json!({ "items": (0..width).collect::<Vec<_>>() });
    let workflow = Workflow { input, ..workflow.clone() };
    let plan = Plan { in_flight: 1, warm_up: bench.args.warm_up(), measured: bench.args.measured() };
    let round = Round { database, workflow: &workflow, plan, runner: Arc::new(Noop) };
    let outcome = round::run(bench, round).await?;
    Ok((outcome.figures, number(outcome.rss_growth_bytes) / size(width)))
}

fn workload(name: &str, width: usize, rounds: &[(Figures, f64)]) -> Workload {
    let figures = Figures::median(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
    // Memory that was taken once is used again: the round that took it is the one that counts.
    let bytes = rounds.iter().map(|round| round.1).fold(0.0, f64::max);
    let about = if width < MANY { None } else { Some(Target::at_most("bytes of memory an item", bytes, BYTES_MAX)) };
    Workload {
        name: name.to_owned(),
        figures,
        notes: vec![format!(
            "one execution at a time, over {width} items; the items are its steps; its memory grows by {bytes:.0} bytes \
             an item"
        )],
        targets: about.into_iter().collect(),
        ..Workload::default()
    }
}

/// The CPU time of an item on both sides; without the server's, the engine's alone.
fn cpu_us(figures: &Figures) -> Option<f64> {
    figures.engine_cpu_us_per_step.map(|engine| engine + figures.server_cpu_us_per_step.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::median;

    #[test]
    fn the_memory_of_an_item_is_that_of_the_round_that_took_it() {
        let figures = Figures { steps_per_s: Some(1.0), ..Figures::default() };

        let workload = workload("map", MANY, &[(figures, 1_000.0), (figures, 10.0)]);

        assert_eq!(workload.targets, [Target::at_most("bytes of memory an item", 1_000.0, BYTES_MAX)]);
        assert_eq!(median(&[1.0]), workload.figures.steps_per_s);
    }
}
