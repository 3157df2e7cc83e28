//! A process of the chaos: an engine, and the ears and the mouth that the parent steers it by.
//!
//! Workers and acceptors are the same program; an acceptor is one that the parent brings orders to. A process ends
//! with its parent, however that ends.

mod lives;
mod serve;
mod stale;
mod tap;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use nix::sys::{prctl, signal::Signal};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;
use turbocat_engine::{Engine, EngineOptions, Ports};

use self::{lives::Lives, tap::Tap};
use crate::{adapter::UuidV7, app::App, behaviour::ChaosRunner, ledger::Teller};

/// The argument with which the binary runs itself again, as a worker of the chaos.
pub const WORKER_ARGUMENT: &str = "__chaos-worker";

/// How long a process tries to start while the database is broken.
const START_LIMIT: Duration = Duration::from_secs(90);
const START_PAUSE: Duration = Duration::from_millis(200);

/// The connections of a process, so that all of them together stay below what the server lets in.
const POOL_MAX: u32 = 6;

/// What a process is told when it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its name, which is the name of its workers.
    pub(crate) name: String,
    /// The database, as this process reaches it: through its proxy.
    pub(crate) url: String,
    /// The socket of the ledger.
    pub(crate) ledger: PathBuf,
    /// What its own choices depend on.
    pub(crate) seed: u64,
    /// How many executions it holds at once; what it accepts beyond that is for others.
    pub(crate) executions_max: usize,
    /// The bug that is planted in it.
    pub(crate) plant: Option<String>,
}

/// The main function of a worker process.
#[must_use]
pub fn worker_main() -> ExitCode {
    let ended = std::env::args()
        .nth(2)
        .context("a process of the chaos is started by `turbocat chaos` alone")
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .and_then(|setup| live(&setup));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its standard error is a file of the run.
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn live(setup: &Setup) -> anyhow::Result<()> {
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_env_filter("info");
    // There is no other subscriber: this process does nothing else.
    let _set = tracing::subscriber::set_global_default(subscriber.finish());
    prctl::set_pdeathsig(Signal::SIGKILL).context("the process cannot be tied to its parent")?;
    if let Some(bug) = &setup.plant {
        plant(bug)?;
    }
    let runtime = tokio::runtime::Runtime::new().context("no threads are to be had")?;
    let ended = runtime.block_on(run(setup));
    runtime.shutdown_background();
    ended
}

#[cfg(feature = "planted-bugs")]
fn plant(bug: &str) -> anyhow::Result<()> {
    turbocat_planted::plant(bug.parse()?);
    Ok(())
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(bug: &str) -> anyhow::Result<()> {
    anyhow::bail!("this binary cannot plant `{bug}`: it is built without the feature `planted-bugs`")
}

async fn run(setup: &Setup) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    let ledger = Teller::connect(&setup.ledger, &tasks).await?;
    let app = again(|| App::connect(&setup.url, POOL_MAX)).await?;
    let store = Arc::new(app.store.clone());
    let tap = Arc::new(Tap::new(Arc::clone(&store), ledger.clone(), &setup.url)?);
    let ports = ports(&app, &tap, &ledger);
    let options = EngineOptions {
        name: setup.name.clone(),
        max_executions: setup.executions_max,
        // Workers die so often here that an execution which only waits loses many owners in a row.
        takeovers_max: u32::MAX,
        ..EngineOptions::default()
    };
    let engine = again(|| async { Ok(Engine::start(options.clone(), ports.clone()).await?) }).await?;
    let hinted = engine.handle();
    let mut hints = again(|| async { Ok(store.wakeups().await?) }).await?;
    tasks.spawn(async move {
        loop {
            hints.next().await;
            hinted.wake();
        }
    });
    tasks.spawn(stale::commit_now_and_then(setup.clone(), Arc::clone(&tap)));
    serve::serve(&app, &engine, &tap).await
}

/// The world as the engine sees it: the store, with an ear at the lease and at the journal.
fn ports(app: &App, tap: &Arc<Tap>, ledger: &Teller) -> Ports {
    let store = Arc::new(app.store.clone());
    Ports {
        workers: Arc::new(Lives::new(Arc::clone(&store), ledger.clone())),
        queue: Arc::clone(&store) as _,
        journal: Arc::clone(tap) as _,
        parts: Arc::clone(&store) as _,
        budgets: Arc::clone(&store) as _,
        permits: Arc::clone(&store) as _,
        events: Arc::clone(&store) as _,
        logs: Arc::clone(&store) as _,
        counters: Arc::clone(&store) as _,
        schedules: Arc::clone(&store) as _,
        queries: Arc::clone(&store) as _,
        runner: Arc::new(ChaosRunner::new(Arc::new(ledger.clone()), store)),
        schemas: Arc::clone(&app.schemas) as _,
        ids: Arc::new(UuidV7),
    }
}

/// Tries until it works: a process that starts may find the database gone, which is what the chaos is about.
async fn again<T, F: Future<Output = anyhow::Result<T>>>(start: impl Fn() -> F) -> anyhow::Result<T> {
    let began = tokio::time::Instant::now();
    loop {
        match start().await {
            Ok(started) => return Ok(started),
            Err(error) if began.elapsed() < START_LIMIT => {
                tracing::warn!("{error:#}, trying again");
                tokio::time::sleep(START_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
