//! What is logged, and how: to standard error, so that standard output belongs to the answer. And which spans are exported,
//! if there is somebody who wants them.

mod export;

use std::io::{self, IsTerminal};

use tracing::{Metadata, Subscriber, subscriber::set_global_default};
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::filter_fn, fmt, layer::SubscriberExt};

use self::export::Exporter;
use crate::args::{Cli, Command};

/// The spans that are exported: a request, a step that it leads to, a request of that step's agent.
const EXPORTED: [&str; 3] = ["http.request", "run.step", "agent.request"];

/// What was set up. What is still to be exported is, when it is dropped.
pub(crate) struct Telemetry {
    exporter: Option<Exporter>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(exporter) = self.exporter.take() {
            exporter.end();
        }
    }
}

/// Sets up logging: quiet for commands that answer, `info` for the server; `--log` and `RUST_LOG` say otherwise.
#[must_use = "what is to be exported is lost when it is dropped"]
pub(crate) fn init(cli: &Cli) -> Telemetry {
    let usual = match cli.command {
        Command::Up(_) => "info,sqlx=warn,sea_orm_migration=warn",
        // The view tells what the engine would.
        _ => "error",
    };
    let wanted = cli.global.log.as_deref().filter(|filter| !filter.is_empty()).unwrap_or(usual);
    let (filter, refused) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(usual), Some(error)),
    };
    let exporter = matches!(cli.command, Command::Up(_) | Command::Run(_)).then(Exporter::from_environment).flatten();
    subscribe(filter, exporter.as_ref(), cli.global.json);
    if let Some(error) = refused {
        tracing::warn!(%error, "the log filter is none, the usual one is used");
    }
    Telemetry { exporter }
}

/// Sets the one subscriber of the process.
fn subscribe(filter: EnvFilter, exporter: Option<&Exporter>, json: bool) {
    let Some(exporter) = exporter else {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
        return if json { set(log.json().finish()) } else { set(log.with_ansi(wants_colour()).finish()) };
    };
    let spans = tracing_opentelemetry::layer().with_tracer(exporter.tracer()).with_location(false).with_threads(false);
    let registry = Registry::default().with(spans.with_filter(filter_fn(is_exported)));
    let log = fmt::layer().with_writer(io::stderr).with_target(false);
    if json {
        set(registry.with(log.json().with_filter(filter)));
    } else {
        set(registry.with(log.with_ansi(wants_colour()).with_filter(filter)));
    }
}

fn set(subscriber: impl Subscriber + Send + Sync) {
    // A second subscriber cannot be set, and there is none before this.
    let _set = set_global_default(subscriber);
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && EXPORTED.contains(&metadata.name())
}

/// Whether what is written to standard error may be coloured.
pub(crate) fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
