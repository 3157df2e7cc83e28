//! Chains again, with many old executions in the tables: what is over must not cost those that run anything.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use turbocat_domain::port::IdGenerator as _;

use crate::{
    adapter::UuidV7,
    agent::Noop,
    bench::Bench,
    document::{Shape, Workflow},
    load::Plan,
    report::{Figures, Target, Workload},
    round::{self, Round},
    server::Database,
    stats::median,
};

/// Writes a part of the history.
const LOAD: &str = include_str!("history.sql");
/// How many old executions one statement writes.
const PART: u64 = 100_000;

/// Chains with and without so many old executions, in turns.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn history(bench: &Bench<'_>) -> anyhow::Result<Vec<Workload>> {
    let mut workloads = Vec::new();
    for executions in &bench.args.history {
        workloads.push(with(bench, *executions).await?);
    }
    Ok(workloads)
}

async fn with(bench: &Bench<'_>, executions: u64) -> anyhow::Result<Workload> {
    bench
        .on_database("empty", async |empty| {
            bench
                .on_database("history", async |full| {
                    let (none, old) = (publish(empty).await?, publish(full).await?);
                    load(full, &old, executions).await?;
                    bench.say(&format!("history: {executions} old executions are there"));
                    let (mut rounds, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
                    for number in 1..=bench.args.rounds {
                        let before = engine(bench, empty, &none).await?;
                        let figures = engine(bench, full, &old).await?;
                        let ratio = figures.steps_per_s.zip(before.steps_per_s).map(|(full, empty)| full / empty);
                        bench.say(&format!("history, round {number}: {:.3} of the rate without", ratio.unwrap_or(0.0)));
                        ratios.extend(ratio);
                        without.push(before);
                        rounds.push(figures);
                    }
                    Ok(workload(executions, (&rounds, &without), median(&ratios).unwrap_or_default()))
                })
                .await
        })
        .await
}

fn workload(executions: u64, rounds: (&[Figures], &[Figures]), ratio: f64) -> Workload {
    let (figures, without) = (Figures::median(rounds.0), Figures::median(rounds.1));
    let p99 = figures.p99_ms.zip(without.p99_ms).map(|(full, empty)| full / empty);
    let p99 = p99.map(|ratio| Target::at_most("p99 as a multiple of that without history", ratio, 1.2));
    Workload {
        name: format!("history-{executions}"),
        figures,
        notes: vec![
            format!("{executions} executions that ended are there, each with one record and one line of its log"),
            format!("without them: {:.0} steps/s", without.steps_per_s.unwrap_or_default()),
        ],
        targets: [Target::at_least("share of the rate without history", ratio, 0.95)].into_iter().chain(p99).collect(),
        ..Workload::default()
    }
}

async fn publish(database: &Database) -> anyhow::Result<Workflow> {
    Workflow::publish(database, &Shape::Chain(10)).await
}

async fn engine(bench: &Bench<'_>, database: &Database, workflow: &Workflow) -> anyhow::Result<Figures> {
    let in_flight = usize::try_from(bench.args.in_flight)?;
    let plan = Plan { in_flight, warm_up: bench.args.warm_up(), measured: bench.args.measured() };
    Ok(round::run(bench, Round { database, workflow, plan, runner: Arc::new(Noop) }).await?.figures)
}

/// Writes old executions that ended, a millisecond apart, the last of them a day ago. Triggers and foreign keys are
/// off for the session that writes them: the rows are in order by construction.
///
/// # Errors
///
/// If the server refuses.
pub(super) async fn load(database: &Database, workflow: &Workflow, executions: u64) -> anyhow::Result<()> {
    let mut session = database.connect().await?;
    sqlx::query("SET session_replication_role = replica").execute(&mut session).await?;
    let mut begin = 0;
    while begin < executions {
        let end = (begin + PART).min(executions);
        part(&mut session, workflow, (begin, end, executions)).await?;
        begin = end;
    }
    // As a server that has had them for a day would have done by itself.
    sqlx::query("VACUUM (ANALYZE) executions, step_runs, execution_logs").execute(&mut session).await?;
    session.close().await?;
    Ok(())
}

async fn part(session: &mut PgConnection, workflow: &Workflow, range: (u64, u64, u64)) -> anyhow::Result<()> {
    let (begin, end, of) = range;
    sqlx::query(LOAD)
        .bind(i64::try_from(begin)?)
        .bind(i64::try_from(end)?)
        .bind(i64::try_from(of)?)
        .bind(workflow.id.as_uuid())
        .bind(workflow.user_id.as_uuid())
        .bind(UuidV7.next())
        .execute(session)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_history_halves_misses_the_target() {
        let round = |rate| Figures { steps_per_s: Some(rate), p99_ms: Some(10.0), ..Figures::default() };

        let workload = workload(1_000_000, (&[round(10.0)], &[round(20.0)]), 0.5);

        assert_eq!(workload.name, "history-1000000");
        assert_eq!(workload.targets.iter().map(|target| target.met).collect::<Vec<_>>(), [false, true]);
        assert!(workload.notes.iter().any(|note| note.contains("20 steps/s")));
    }
}
