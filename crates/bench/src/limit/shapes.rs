//! L5, L3 and L4: the commits of a single step, a chain of steps and a fan-out with a join, one after another.
//!
//! A run is a row of `limit_executions`, committed first: it was accepted. Then each step that others wait for is a
//! commit of its own, those that run at once share one, and the last one ends the run in the same transaction. These are
//! the statements that a client without an engine would send, one at a time and prepared.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::{document::Shape, stats::ms};

const NEXT: &str = "SELECT nextval('limit_runs')";
const ACCEPT: &str = "INSERT INTO limit_executions VALUES ($1, 1, 1, 0, NULL)";
const STEP: &str = r#"INSERT INTO limit_journal VALUES ($1, $2, $2, 1, now(), '{"v":1}')"#;
const STEPS: &str =
    r#"INSERT INTO limit_journal SELECT $1, step, step, 1, now(), '{"v":1}' FROM generate_series(1, $2) step"#;
const END: &str = r#"UPDATE limit_executions SET status = 2, done = $2, output = '{"v":1}' WHERE id = $1"#;

/// Runs one run after another for so long, and returns the time of each, in milliseconds.
///
/// # Errors
///
/// If the server refuses.
pub(crate) async fn latencies_ms(
    session: &mut PgConnection,
    shape: &Shape,
    measured: Duration,
) -> anyhow::Result<Vec<f64>> {
    const WARM_UP: usize = 20;
    for _ in 0..WARM_UP {
        run(session, shape).await?;
    }
    let (began, mut latencies) = (Instant::now(), Vec::new());
    while began.elapsed() < measured {
        let started = Instant::now();
        run(session, shape).await?;
        latencies.push(ms(started.elapsed()));
    }
    Ok(latencies)
}

async fn run(session: &mut PgConnection, shape: &Shape) -> anyhow::Result<()> {
    let run: i64 = sqlx::query_scalar(NEXT).fetch_one(&mut *session).await?;
    sqlx::query(ACCEPT).bind(run).execute(&mut *session).await?;
    let last = i32::try_from(shape.steps())?;
    match shape {
        Shape::FanOut(_) => {
            sqlx::query(STEPS).bind(run).bind(last - 1).execute(&mut *session).await?;
        }
        Shape::Chain(_) => {
            for step in 1..last {
                sqlx::query(STEP).bind(run).bind(step).execute(&mut *session).await?;
            }
        }
    }
    sqlx::query("BEGIN").execute(&mut *session).await?;
    sqlx::query(STEP).bind(run).bind(last).execute(&mut *session).await?;
    sqlx::query(END).bind(run).bind(last).execute(&mut *session).await?;
    sqlx::query("COMMIT").execute(&mut *session).await?;
    Ok(())
}
