//! A worker process of the bench: an engine, and its own load if it is told to have one.
//!
//! It is told what to do by an argument, on which database by `DATABASE_URL`, and when by lines on its standard input;
//! it answers on its standard output. When its input ends, it ends: no worker outlives the bench.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use turbocat_domain::id::{UserId, WorkflowId};
use turbocat_engine::EngineOptions;
use uuid::Uuid;

use crate::{
    agent::Noop,
    counters::{Cost, Totals},
    document::Workflow,
    load::{Load, Plan},
    meter::Ended,
    process,
    stats::{number, percentile},
    subject::{POOL_MAX, Start, Subject},
};

/// The argument with which the binary runs itself again, as a worker of the bench.
pub const WORKER_ARGUMENT: &str = "__bench-worker";

/// The connections of the pool of one of many processes: sixteen of them must fit into the hundred connections that
/// PostgreSQL has unless it is told otherwise.
const POOL_OF_MANY: u32 = 2;

/// What a worker does between its start and its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Nothing.
    Idle,
    /// It brings itself executions.
    Load(OwnLoad),
}

/// The executions that a worker brings itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnLoad {
    /// Of this workflow.
    pub(crate) workflow_id: Uuid,
    /// Of this user.
    pub(crate) user_id: Uuid,
    /// With so many steps.
    pub(crate) steps: usize,
    /// So many at once.
    pub(crate) in_flight: usize,
    /// So long before it is measured.
    pub(crate) warm_up_ms: u64,
    /// So long while it is measured.
    pub(crate) measured_ms: u64,
}

/// What a worker has done.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Steps a second, while it was measured.
    pub(crate) steps_per_s: f64,
    /// Executions, while it was measured.
    pub(crate) executions: u64,
    /// The median latency of an execution, in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    /// The latency that 99 of 100 stay under, in milliseconds.
    pub(crate) p99_ms: Option<f64>,
    /// CPU time of the engine while it was measured, a step, in microseconds.
    pub(crate) engine_cpu_us_per_step: f64,
    /// All steps, from its start to its end.
    pub(crate) all_steps: u64,
    /// All calls of ports.
    pub(crate) round_trips: u64,
    /// The most memory that it held, in bytes.
    pub(crate) rss_bytes_max: u64,
}

/// The main function of a worker process.
#[must_use]
pub fn worker_main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a worker of the bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> anyhow::Result<()> {
    let task = std::env::args().nth(2).context("a worker of the bench is started by `turbocat bench`")?;
    let task: Task = serde_json::from_str(&task)?;
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let threads = Runtime::new()?;
    let main = Builder::new_current_thread().enable_all().build()?;
    let ended = main.block_on(Box::pin(live(threads.handle(), &url, task)));
    threads.shutdown_background();
    ended
}

async fn live(threads: &Handle, url: &str, task: Task) -> anyhow::Result<()> {
    let mut commands = commands();
    let name = format!("bench {}", std::process::id());
    let options = EngineOptions { name, ..EngineOptions::default() };
    let pool_max = if matches!(task, Task::Idle) { POOL_MAX } else { POOL_OF_MANY };
    let start = Start { threads, url, options, runner: Arc::new(Noop), pool_max };
    let (subject, mut ends) = Subject::start(start).await?;
    if matches!(task, Task::Idle) {
        subject.wake_on_hints().await?;
    }
    println!("{}", json!("ready"));
    let mut done = Done::default();
    if let Task::Load(own) = &task
        && commands.recv().await.is_some()
    {
        done = load(own, (&subject, &mut ends)).await?;
        println!("{}", json!("measured"));
    }
    // A line, or the end of all lines.
    let _told = commands.recv().await;
    let counts = subject.meter.counts();
    done.all_steps = counts.steps;
    done.round_trips = counts.round_trips;
    done.rss_bytes_max = process::peak_rss_bytes(None);
    subject.stop().await?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

/// The lines of standard input, read by a thread of their own. They end when it does.
fn commands() -> UnboundedReceiver<String> {
    let (send, commands) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    commands
}

async fn load(own: &OwnLoad, (subject, ends): (&Subject, &mut UnboundedReceiver<Ended>)) -> anyhow::Result<Done> {
    let workflow = Workflow {
        id: WorkflowId::from_uuid(own.workflow_id),
        user_id: UserId::from_uuid(own.user_id),
        steps: own.steps,
        input: json!({}),
    };
    let (warm_up, measured) = (Duration::from_millis(own.warm_up_ms), Duration::from_millis(own.measured_ms));
    let plan = Plan { in_flight: own.in_flight, warm_up, measured };
    // Who started this process counts what the server does.
    let window = Load::new(subject, &workflow, ends).run(plan, None).await?;
    let none = Totals::default();
    let cost = Cost::between((none, window.from.0), (none, window.to.0));
    Ok(Done {
        steps_per_s: number(window.steps()) / cost.seconds,
        executions: window.executions(),
        p50_ms: percentile(&window.latencies_ms, 0.5),
        p99_ms: percentile(&window.latencies_ms, 0.99),
        engine_cpu_us_per_step: cost.engine_cpu_us / number(window.steps()),
        ..Done::default()
    })
}
