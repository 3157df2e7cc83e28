//! Chains in several processes on one database: what they reach together, and that none of them starves.
//!
//! Each process is brought its share of the executions, as behind a load balancer, and owns what it accepts. Its pool
//! has two connections, so that sixteen of them fit into the hundred that PostgreSQL has by default.

use tokio::task::JoinSet;

use crate::{
    bench::Bench,
    counters::{Cost, Counters},
    crew::Member,
    document::{Shape, Workflow},
    report::{Figures, Target, Workload},
    server::Database,
    stats::{median, number, size},
    worker::{Done, OwnLoad, Task},
};

/// The numbers of processes that are compared.
const PROCESSES: [usize; 4] = [1, 2, 4, 16];
/// How much of the rate of one process several must reach together.
const SHARE_MIN: f64 = 0.9;

/// What some processes reached together.
#[derive(Debug, Clone, Copy)]
struct Together {
    figures: Figures,
    /// The executions of the process with the fewest, as a share of those of the one with the most.
    fairness: f64,
}

/// Measures several numbers of processes, in turns.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn processes(bench: &Bench<'_>) -> anyhow::Result<Vec<Workload>> {
    let rounds = bench
        .on_database("processes", async |database| {
            let workflow = Workflow::publish(database, &Shape::Chain(10)).await?;
            let mut rounds = Vec::new();
            for number in 1..=bench.args.rounds {
                let mut round = Vec::new();
                for count in PROCESSES {
                    let together = together(bench, database, (&workflow, count)).await?;
                    let rate = together.figures.steps_per_s.unwrap_or_default();
                    bench.say(&format!("processes, round {number}: {count} reach {rate:.0} steps/s"));
                    round.push(together);
                }
                rounds.push(round);
            }
            Ok(rounds)
        })
        .await?;
    let workload = |(place, count)| workload(count, &rounds, place);
    Ok(PROCESSES.into_iter().enumerate().map(|(place, count)| workload((place, count))).collect())
}

/// The workload of a number of processes, which stands at a place of every round.
fn workload(count: usize, rounds: &[Vec<Together>], place: usize) -> Workload {
    let here: Vec<Together> = rounds.iter().filter_map(|round| round.get(place)).copied().collect();
    let shares = rounds.iter().filter_map(|round| {
        let (one, here) = (round.first()?.figures.steps_per_s?, round.get(place)?.figures.steps_per_s?);
        Some(here / one)
    });
    let share = median(&shares.collect::<Vec<_>>()).unwrap_or_default();
    let fairness = median(&here.iter().map(|together| together.fairness).collect::<Vec<_>>()).unwrap_or_default();
    let target = Target::at_least("share of the rate of one process", share, SHARE_MIN);
    Workload {
        name: format!("processes-{count}"),
        figures: Figures::median(&here.iter().map(|together| together.figures).collect::<Vec<_>>()),
        notes: vec![format!(
            "the process with the fewest executions ran {fairness:.2} of those of the one with the most"
        )],
        targets: if count > 1 { vec![target] } else { Vec::new() },
        ..Workload::default()
    }
}

async fn together(bench: &Bench<'_>, database: &Database, load: (&Workflow, usize)) -> anyhow::Result<Together> {
    let (workflow, count) = load;
    let mut counters = Counters::open(bench.server, database).await?;
    counters.checkpoint().await?;
    let (totals, usage) = (counters.totals().await?, counters.usage().await?);
    let task = task(bench, workflow, count);
    let mut starting = JoinSet::new();
    for _ in 0..count {
        let (database, task) = (database.clone(), task.clone());
        starting.spawn(async move { Member::start(&database, &task).await });
    }
    let mut crew = Vec::new();
    while let Some(member) = starting.join_next().await {
        crew.push(member??);
    }
    for member in &mut crew {
        member.tell().await?;
    }
    for member in &mut crew {
        member.measured().await?;
    }
    let mut done = Vec::new();
    for member in crew {
        done.push(member.end().await?);
    }
    let cost = counters.since((totals, usage)).await?;
    Ok(sum(&done, &cost))
}

fn task(bench: &Bench<'_>, workflow: &Workflow, count: usize) -> Task {
    let in_flight = usize::try_from(bench.args.in_flight).unwrap_or(usize::MAX);
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Task::Load(OwnLoad {
        workflow_id: workflow.id.as_uuid(),
        user_id: workflow.user_id.as_uuid(),
        steps: workflow.steps,
        in_flight: in_flight.div_ceil(count),
        warm_up_ms: ms(bench.args.warm_up()),
        measured_ms: ms(bench.args.measured()),
    })
}

/// What processes did together. Costs are those of their whole lives, over all their steps; memory is that of the
/// largest one.
fn sum(done: &[Done], cost: &Cost) -> Together {
    let all_steps = number(done.iter().map(|done| done.all_steps).sum());
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / size(values.len().max(1));
    let executions = done.iter().map(|done| done.executions);
    let (fewest, most) = (executions.clone().min().unwrap_or_default(), executions.max().unwrap_or_default());
    let steps_per_s: f64 = done.iter().map(|done| done.steps_per_s).sum();
    let figures = Figures {
        steps_per_s: Some(steps_per_s),
        executions_per_s: Some(steps_per_s / 10.0),
        p50_ms: median(&done.iter().filter_map(|done| done.p50_ms).collect::<Vec<_>>()),
        p99_ms: done.iter().filter_map(|done| done.p99_ms).max_by(f64::total_cmp),
        commits_per_step: Some(cost.transactions / all_steps),
        round_trips_per_step: Some(number(done.iter().map(|done| done.round_trips).sum()) / all_steps),
        wal_bytes_per_step: Some(cost.wal_bytes / all_steps),
        rows_per_step: Some(cost.rows / all_steps),
        server_cpu_us_per_step: cost.server_cpu_us.map(|cpu| cpu / all_steps),
        engine_cpu_us_per_step: Some(mean(done.iter().map(|done| done.engine_cpu_us_per_step).collect())),
        rss_bytes_max: done.iter().map(|done| number(done.rss_bytes_max)).max_by(f64::total_cmp),
    };
    Together { figures, fairness: number(fewest) / number(most.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_processes_are_compared_with_one_of_the_same_round() {
        let together = |rate| {
            let figures = Figures { steps_per_s: Some(rate), ..Figures::default() };
            Together { figures, fairness: 1.0 }
        };
        let rounds = vec![
            vec![together(100.0), together(95.0)],
            vec![together(50.0), together(40.0)],
            vec![together(10.0), together(9.5)],
        ];

        let two = workload(2, &rounds, 1);

        assert_eq!(two.targets, [Target::at_least("share of the rate of one process", 0.95, SHARE_MIN)]);
        assert!(workload(1, &rounds, 0).targets.is_empty());
    }

    #[test]
    fn the_process_with_the_fewest_executions_is_compared_with_the_one_with_the_most() {
        let done = |executions| Done { executions, all_steps: 1, ..Done::default() };
        let cost = Cost {
            transactions: 1.0,
            rows: 1.0,
            wal_bytes: 1.0,
            server_cpu_us: None,
            engine_cpu_us: 1.0,
            seconds: 1.0,
        };

        assert!((sum(&[done(100), done(50), done(80)], &cost).fairness - 0.5).abs() < f64::EPSILON);
    }
}
