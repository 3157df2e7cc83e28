//! `turbocat up`: the server, until it is told to stop.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use turbocat_engine::{EngineHandle, EngineOptions};
use turbocat_http::{Check, Readiness};
use turbocat_persistence::PgStore;

use super::seed_all;
use crate::{
    adapter::UuidV7,
    args::{GlobalArgs, UpArgs},
    signals,
    wire::App,
};

/// Serves until the first signal, then drains and hands back what is left.
///
/// # Errors
///
/// If the database, the engine or the listener cannot be set up, or the listener fails later.
pub(super) async fn run(url: &str, global: &GlobalArgs, args: &UpArgs) -> anyhow::Result<ExitCode> {
    let shutdown = signals::shutdown_token()?;
    let drain_timeout = Duration::from_secs(args.drain_timeout);
    let app = App::prepare(url, global).await?;
    seed_all(&app).await?;
    let listener = TcpListener::bind(&args.listen).await.with_context(|| {
        format!("cannot listen on {}; --listen chooses another address, and port 0 a free one", args.listen)
    })?;
    let engine = app.start_engine(options(args)).await?;

    let ready = Ready { store: app.store.clone(), engine: engine.handle(), shutdown: shutdown.clone() };
    let state = turbocat_http::State::new(
        Arc::new(ready),
        (app.use_cases.clone(), app.access.clone()),
        (Arc::new(engine.handle()), Arc::new(UuidV7)),
        shutdown.clone(),
    );
    let router = turbocat_http::router(state.clone());
    tracing::info!(address = %listener.local_addr()?, "listening");

    let served = async {
        let served = turbocat_http::serve(listener, router, shutdown.clone(), drain_timeout).await;
        // A listener that failed by itself is the end of everything too.
        shutdown.cancel();
        if tokio::time::timeout(drain_timeout, state.settle()).await.is_err() {
            tracing::warn!("mail under way was cut off");
        }
        served
    };
    let drained = async {
        shutdown.cancelled().await;
        tracing::info!(drain_timeout_s = args.drain_timeout, "draining");
        engine.drain(drain_timeout).await;
    };
    let (served, (), ()) = tokio::select! {
        ended = async { tokio::join!(served, drained, app.keep_access(shutdown.clone())) } => ended,
        never = app.wake_on_hints(engine.handle()) => match never? {},
    };
    app.store.close().await;
    tracing::info!("stopped");
    served?;
    Ok(ExitCode::SUCCESS)
}

fn options(args: &UpArgs) -> EngineOptions {
    let options = EngineOptions { name: format!("up {}", std::process::id()), ..EngineOptions::default() };
    match args.executions_max {
        Some(max) => EngineOptions { max_executions: usize::try_from(max.max(1)).unwrap_or(usize::MAX), ..options },
        None => options,
    }
}

/// Says whether this process can do its work.
struct Ready {
    store: PgStore,
    engine: EngineHandle,
    shutdown: CancellationToken,
}

#[async_trait]
impl Readiness for Ready {
    async fn check(&self) -> Vec<Check> {
        let database = self.store.ping().await.err().map(|error| {
            tracing::warn!(%error, "the database does not answer");
            "does not answer".to_owned()
        });
        let engine = if self.shutdown.is_cancelled() {
            Some("is shutting down".to_owned())
        } else {
            self.engine.worker_id().is_none().then(|| "holds no lease".to_owned())
        };
        vec![Check { name: "database", problem: database }, Check { name: "engine", problem: engine }]
    }
}
