//! What is logged, and how: to standard error, so that standard output belongs to the answer.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

/// Sets up logging: quiet for commands that answer, `info` for the server; `--log` and `RUST_LOG` say otherwise.
pub(crate) fn init(cli: &Cli) {
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
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second subscriber cannot be set, and there is none before this.
    let _set = if cli.global.json {
        tracing::subscriber::set_global_default(subscriber.json().finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.with_ansi(wants_colour()).finish())
    };
    if let Some(error) = refused {
        tracing::warn!(%error, "the log filter is none, the usual one is used");
    }
}

/// Whether what is written to standard error may be coloured.
pub(crate) fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
