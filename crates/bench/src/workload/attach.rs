//! Chains on an engine that runs already: measured from outside, as those see it who leave executions to it.
//!
//! A workflow is published in the database that is served, with an agent that every server can run: the identity
//! program of a data agent. Executions are inserted for anybody to claim, with a hint; their ends are looked up by their
//! ids, every few milliseconds. What else goes on in the database is counted too.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sqlx::PgConnection;
use turbocat_domain::port::ExecutionQueue as _;
use turbocat_persistence::{ConnectOptions, PgStore};
use uuid::Uuid;

use crate::{
    bench::Bench,
    counters::{Cost, Counters},
    document::{Shape, Workflow},
    report::{Figures, Workload},
    server::Database,
    stats::{ms, number, percentile},
};

/// How often is looked for ends.
const LOOK: Duration = Duration::from_millis(10);
/// How long nothing may end.
const PATIENCE: Duration = Duration::from_secs(30);

const ENDED: &str = "\
    SELECT id, status = 'completed' FROM executions
    WHERE id = ANY ($1) AND status IN ('completed', 'failed', 'cancelled', 'timeout')";

/// Measures an engine that runs already.
///
/// # Errors
///
/// If there is none, or an execution does not complete.
pub(crate) async fn attach(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    let database = Database::at(bench.url.context("no database is named")?)?;
    let shape = Shape::Chain(10);
    let workflow = Workflow::publish(&database, &shape).await?;
    let store = PgStore::connect(&ConnectOptions::new(&database.url)).await?;
    let mut outside = Outside {
        store,
        session: database.connect().await?,
        workflow,
        in_flight: HashMap::new(),
        latencies_ms: Vec::new(),
        ended_at: Instant::now(),
    };
    let count = usize::try_from(bench.args.in_flight)?;
    // Until all that were brought first have ended: before, they march in step.
    while outside.latencies_ms.len() < count {
        outside.go_on(count, bench.args.warm_up()).await?;
    }
    outside.latencies_ms.clear();
    let mut counters = Counters::open(bench.server, &database).await?;
    let from = (counters.totals_so_far().await?, counters.usage().await?);
    outside.go_on(count, bench.args.measured()).await?;
    let to = (counters.totals_so_far().await?, counters.usage().await?);
    let latencies_ms = std::mem::take(&mut outside.latencies_ms);
    outside.finish().await?;
    ensure!(!latencies_ms.is_empty(), "no execution ended while it was measured: give it more --seconds");
    let cost = Cost::between(from, to);
    let executions = number(u64::try_from(latencies_ms.len())?);
    let steps = executions * number(u64::try_from(shape.steps())?);
    Ok(Workload {
        name: "attached-chain".to_owned(),
        figures: Figures {
            steps_per_s: Some(steps / cost.seconds),
            executions_per_s: Some(executions / cost.seconds),
            p50_ms: percentile(&latencies_ms, 0.5),
            p99_ms: percentile(&latencies_ms, 0.99),
            commits_per_step: Some(cost.transactions / steps),
            wal_bytes_per_step: Some(cost.wal_bytes / steps),
            rows_per_step: Some(cost.rows / steps),
            ..Figures::default()
        },
        notes: vec![
            format!("{count} executions in flight, inserted for anybody to claim; ends are looked up every {LOOK:?}"),
            "commits, WAL and rows are those of the whole database, what looks at it included".to_owned(),
        ],
        ..Workload::default()
    })
}

/// Who leaves executions to others.
struct Outside {
    store: PgStore,
    session: PgConnection,
    workflow: Workflow,
    in_flight: HashMap<Uuid, Instant>,
    latencies_ms: Vec<f64>,
    /// When something last ended.
    ended_at: Instant,
}

impl Outside {
    /// Keeps so many in flight for so long.
    async fn go_on(&mut self, count: usize, how_long: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < how_long {
            self.bring(count.saturating_sub(self.in_flight.len())).await?;
            self.look().await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        while !self.in_flight.is_empty() {
            self.look().await?;
        }
        Ok(())
    }

    async fn bring(&mut self, count: usize) -> anyhow::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let executions: Vec<_> = (0..count).map(|_| self.workflow.execution()).collect();
        let now = Instant::now();
        self.in_flight.extend(executions.iter().map(|execution| (execution.id.as_uuid(), now)));
        self.store.insert(&executions, None).await?;
        self.store.hint().await?;
        Ok(())
    }

    /// Takes out what has ended.
    async fn look(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(LOOK).await;
        let ids: Vec<Uuid> = self.in_flight.keys().copied().collect();
        let ended: Vec<(Uuid, bool)> = sqlx::query_as(ENDED).bind(ids).fetch_all(&mut self.session).await?;
        let now = Instant::now();
        for (id, completed) in &ended {
            ensure!(completed, "execution {id} did not complete");
            if let Some(started) = self.in_flight.remove(id) {
                self.latencies_ms.push(ms(now - started));
            }
        }
        if !ended.is_empty() {
            self.ended_at = now;
        }
        ensure!(self.ended_at.elapsed() < PATIENCE, "nothing ends: does a `turbocat up` serve this database?");
        Ok(())
    }
}
