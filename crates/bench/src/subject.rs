//! The engine that is measured: a real one, on its own threads, with a meter before its store.
//!
//! The load and the counters have the main thread, so that what they cost can be told apart.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{runtime::Handle, sync::mpsc::UnboundedReceiver};
use turbocat_domain::port::AgentRunner;
use turbocat_engine::{Engine, EngineHandle, EngineOptions, Ports};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_schema::JsonSchemas;

use crate::{
    adapter::UuidV7,
    meter::{Ended, Meter},
};

/// The connections that the pool of a server has at most.
pub(crate) const POOL_MAX: u32 = 10;

/// What an engine is started with.
pub(crate) struct Start<'a> {
    /// The threads that it runs on.
    pub(crate) threads: &'a Handle,
    /// The database.
    pub(crate) url: &'a str,
    /// Its settings.
    pub(crate) options: EngineOptions,
    /// What its agents do.
    pub(crate) runner: Arc<dyn AgentRunner>,
    /// The connections of its pool at most.
    pub(crate) pool_max: u32,
}

/// An engine that runs.
pub(crate) struct Subject {
    engine: Engine,
    store: PgStore,
    /// What it has done.
    pub(crate) meter: Arc<Meter>,
    threads: Handle,
}

impl Subject {
    /// Starts an engine. The receiver is told of every execution that ends.
    ///
    /// # Errors
    ///
    /// If the database does not answer, or does not take the worker.
    pub(crate) async fn start(start: Start<'_>) -> anyhow::Result<(Self, UnboundedReceiver<Ended>)> {
        let (url, options, runner, pool_max) = (start.url.to_owned(), start.options, start.runner, start.pool_max);
        let threads = start.threads.clone();
        // Connections belong to the threads on which they are opened.
        let started = threads.spawn(async move {
            let connect = ConnectOptions { pool_max, ..ConnectOptions::new(url) };
            let store = PgStore::connect(&connect).await?;
            let (meter, ends) = Meter::new(store.clone());
            let engine = Engine::start(options, ports(&meter, &store, runner)).await?;
            anyhow::Ok((engine, store, meter, ends))
        });
        let (engine, store, meter, ends) = started.await?.context("the engine does not start")?;
        Ok((Self { engine, store, meter, threads }, ends))
    }

    /// A handle to bring it work with.
    pub(crate) fn handle(&self) -> EngineHandle {
        self.engine.handle()
    }

    /// Lets it be told what other processes do, as a server is.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub(crate) async fn wake_on_hints(&self) -> anyhow::Result<()> {
        let (store, handle) = (self.store.clone(), self.handle());
        let listening = self.threads.spawn(async move { store.wakeups().await });
        let mut hints = listening.await??;
        self.threads.spawn(async move {
            loop {
                hints.next().await;
                handle.wake();
            }
        });
        Ok(())
    }

    /// Ends it, and closes its sessions.
    ///
    /// # Errors
    ///
    /// If its threads do not end in order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { engine, store, threads, .. } = self;
        let stopped = threads.spawn(async move {
            engine.drain(Duration::from_secs(5)).await;
            store.close().await;
        });
        stopped.await.context("the engine did not stop in order")
    }
}

fn ports(meter: &Arc<Meter>, store: &PgStore, runner: Arc<dyn AgentRunner>) -> Ports {
    Ports {
        workers: Arc::clone(meter) as _,
        queue: Arc::clone(meter) as _,
        journal: Arc::clone(meter) as _,
        parts: Arc::clone(meter) as _,
        budgets: Arc::clone(meter) as _,
        permits: Arc::clone(meter) as _,
        events: Arc::clone(meter) as _,
        logs: Arc::clone(meter) as _,
        counters: Arc::clone(meter) as _,
        schedules: Arc::clone(meter) as _,
        queries: Arc::new(store.clone()),
        runner,
        schemas: Arc::new(JsonSchemas::default()),
        ids: Arc::new(UuidV7),
    }
}
