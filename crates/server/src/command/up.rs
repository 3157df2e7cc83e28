//! `turbocat up`: the server, until it is told to stop.

use std::{fs, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use turbocat_engine::{EngineHandle, EngineOptions};
use turbocat_http::{Check, Listener, Readiness, Tls};
use turbocat_persistence::PgStore;

use super::seed_all;
use crate::{
    adapter::{HttpMeter, Metrics, UuidV7},
    args::{GlobalArgs, UpArgs},
    signals,
    wire::App,
};

/// How long a scrape may take that is under way at the shutdown.
const METRICS_DRAIN: Duration = Duration::from_secs(2);

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
    let tls = tls(args)?;
    let is_over_tls = tls.is_some();
    let listener = listen(&args.listen, "--listen", tls).await?;
    let metrics_listener = match &args.metrics {
        Some(address) => Some(listen(address, "--metrics", None).await?),
        None => None,
    };
    let engine = app.start_engine(options(args)).await?;

    let ready = Ready { store: app.store.clone(), engine: engine.handle(), shutdown: shutdown.clone() };
    let meter = HttpMeter::default();
    let state = turbocat_http::State::new(
        Arc::new(ready),
        (app.use_cases.clone(), app.access.clone()),
        (Arc::new(engine.handle()), Arc::new(UuidV7)),
        shutdown.clone(),
    );
    let router = turbocat_http::router(state.clone().over_tls(is_over_tls).metered(Arc::new(meter.clone())));
    let metrics = Metrics { engine: engine.handle(), store: app.store.clone(), http: meter };
    let metrics_served = serve_metrics(metrics_listener, metrics, shutdown.clone());
    tracing::info!(address = %listener.address(), tls = is_over_tls, "listening");

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
    let (served, metrics_served, (), ()) = tokio::select! {
        ended = async { tokio::join!(served, metrics_served, drained, app.keep_access(shutdown.clone())) } => ended,
        never = app.wake_on_hints(engine.handle()) => match never? {},
    };
    app.store.close().await;
    tracing::info!("stopped");
    served?;
    metrics_served?;
    Ok(ExitCode::SUCCESS)
}

async fn listen(address: &str, option: &str, tls: Option<Tls>) -> anyhow::Result<Listener> {
    let bound = TcpListener::bind(address).await.and_then(|socket| Listener::new(socket, tls));
    bound
        .with_context(|| format!("cannot listen on {address}; {option} chooses another address, and port 0 a free one"))
}

/// The certificate that is named, if one is.
fn tls(args: &UpArgs) -> anyhow::Result<Option<Tls>> {
    let Some((certificate, key)) = args.tls_cert.as_ref().zip(args.tls_key.as_ref()) else { return Ok(None) };
    let read = |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let tls = Tls::from_pem(&read(certificate)?, &read(key)?);
    tls.map(Some).with_context(|| format!("TLS with {} and {}", certificate.display(), key.display()))
}

/// Serves metrics until the shutdown, if they are to be served.
async fn serve_metrics(
    listener: Option<Listener>,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Some(listener) = listener else { return Ok(()) };
    tracing::info!(address = %listener.address(), "metrics are served");
    let router = turbocat_http::metrics_router(Arc::new(metrics));
    let served = turbocat_http::serve(listener, router, shutdown.clone(), METRICS_DRAIN).await;
    // Who is not watched any more must not go on unnoticed.
    shutdown.cancel();
    Ok(served?)
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
    async fn is_database_there(&self) -> bool {
        self.store.ping().await.is_ok()
    }

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
