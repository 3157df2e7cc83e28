//! How fast the engine is: 1,000 executions at once of a chain of 10 steps that do nothing, on a PostgreSQL with
//! fsync on. Every step is journalled and logged before the next one starts, as always.
//!
//! `cargo bench -p turbocat-server --bench chain`; with `DATABASE_URL`, on that (empty) database. Prints a line a
//! round: steps a second, and the time from the start of a step to the start of the next one.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench stops at what it does not expect, and what it prints are rates"
)]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    agent::{Agent, AgentType},
    id::ExecutionId,
    port::{AgentCall, AgentRunner, ExecutionAcceptor, LogSink, Store},
    step_run::StepError,
    workflow::{Workflow, WorkflowStatus},
};
use turbocat_engine::{Engine, EngineOptions, Ports, Progress};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::{
    builder::{a_new_execution, a_user, a_workflow, an_agent},
    ids::SequentialIds,
};

const STEPS: usize = 10;
const ROUNDS: usize = 5;

/// Answers at once, and remembers when each step of each execution started.
#[derive(Default)]
struct Noop {
    starts: Mutex<HashMap<ExecutionId, Vec<Instant>>>,
}

#[async_trait]
impl AgentRunner for Noop {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let mut starts = self.starts.lock().expect("nobody panics with the lock");
        starts.entry(call.execution_id).or_default().push(Instant::now());
        Ok(Value::Bool(true))
    }
}

fn main() -> anyhow::Result<()> {
    let executions: usize = std::env::var("EXECUTIONS").map_or(Ok(1_000), |count| count.parse())?;
    let (url, _cluster) = database()?;
    tokio::runtime::Runtime::new()?.block_on(bench(&url, executions))
}

/// The database that is named, or a private one of which the data are thrown away.
fn database() -> anyhow::Result<(String, Option<Cluster>)> {
    if let Ok(url) = std::env::var("DATABASE_URL") {
        return Ok((url, None));
    }
    let root: PathBuf = std::env::temp_dir().join(format!("turbocat-bench-{}", std::process::id()));
    let options = ClusterOptions { root, durable: true, ..ClusterOptions::throw_away(Installation::find()?, "bench") };
    let cluster = Cluster::open(&options)?;
    Ok((cluster.url(DATABASE), Some(cluster)))
}

async fn bench(url: &str, executions: usize) -> anyhow::Result<()> {
    turbocat_migration::up(url).await?;
    let store = Arc::new(PgStore::connect(&ConnectOptions::new(url)).await?);
    let settings = store.settings().await?;
    println!("PostgreSQL {}, fsync {}, {executions} executions at once", settings.server_version, settings.fsync);

    let ids = Arc::new(SequentialIds::new(u64::from(std::process::id())));
    let runner = Arc::new(Noop::default());
    let workflow = publish(&store, &ids).await?;
    let ports = Ports {
        workers: store.clone(),
        queue: store.clone(),
        journal: store.clone(),
        events: store.clone(),
        logs: store.clone(),
        counters: store.clone(),
        queries: store.clone(),
        runner: runner.clone(),
        schemas: Arc::new(JsonSchemas::default()),
        ids: ids.clone(),
    };
    let engine = Engine::start(EngineOptions { max_executions: executions * 2, ..EngineOptions::default() }, ports)
        .await
        .context("the engine does not start")?;

    for round in 1..=ROUNDS {
        runner.starts.lock().expect("nobody panics with the lock").clear();
        let new: Vec<_> = (0..executions).map(|_| a_new_execution(ids.as_ref(), &workflow)).collect();
        let handle = engine.handle();
        let watchers: Vec<_> = new.iter().map(|execution| handle.watch(execution.id)).collect();
        let began = Instant::now();
        handle.accept(new).await?;
        for mut watcher in watchers {
            while !matches!(watcher.recv().await?, Progress::Finished(_)) {}
        }
        report(round, began.elapsed(), &runner, executions);
    }
    engine.drain(Duration::from_secs(5)).await;
    Ok(())
}

async fn publish(store: &PgStore, ids: &SequentialIds) -> anyhow::Result<Workflow> {
    let keys: Vec<_> = (0..STEPS).map(|n| format!("step{n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let user = a_user(ids);
    let agent = Agent { max_concurrent_executions: Some(100_000), ..an_agent(ids, user.id, AgentType::Code) };
    let (workflow, steps) = a_workflow(ids, &agent, &keys);
    let workflow = Workflow { status: WorkflowStatus::Active, ..workflow };
    let mut work = store.begin().await?;
    work.users().insert(&user).await?;
    work.agents().insert(&[agent]).await?;
    work.workflows().insert(&workflow, &steps).await?;
    work.commit().await?;
    Ok(workflow)
}

fn report(round: usize, took: Duration, runner: &Noop, executions: usize) {
    let starts = runner.starts.lock().expect("nobody panics with the lock");
    let steps: usize = starts.values().map(Vec::len).sum();
    assert_eq!(steps, executions * STEPS, "every step ran once");
    let mut latencies: Vec<_> =
        starts.values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!(
        "round {round}: {:.0} steps/s, {:.0} executions/s, step latency p50 {:.2} ms, p99 {:.2} ms",
        steps as f64 / took.as_secs_f64(),
        executions as f64 / took.as_secs_f64(),
        at(50),
        at(99),
    );
}
