//! The commands, one file each.

mod access;
mod agents;
mod apply;
mod audit;
mod budgets;
mod deployment;
mod doctor;
mod executions;
mod input;
mod migrate;
mod run;
mod secrets;
mod seed;
mod source;
mod template;
mod up;
mod waiting;
mod watch;
mod work;

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::Value;
use turbocat_application::{Actor, Argon2Hasher};

use self::work::Kind;
use crate::{
    args::{Cli, Command, GlobalArgs, MigrateCommand},
    database::OpenDatabase,
    desk::{self, Desk},
    report, view,
    wire::App,
};

/// Runs the command that was given.
///
/// # Errors
///
/// Why it could not be done.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    if let Some(server) = global.server() {
        return through(server, &global, command);
    }
    let open = || OpenDatabase::open(&global);
    let open_existing = || OpenDatabase::open_existing(&global);
    let command = match Kind::of(command)? {
        Kind::Work(work) => return on(work.open(&global)?, async |url| work.on_database(url, &global).await),
        Kind::Other(command) => command,
    };
    match command {
        Command::Run(args) => {
            // What can be refused without a database is refused before one is started.
            let prepared = run::Prepared::read(&args)?;
            on(open()?, async |url| run::run(url, &global, prepared).await)
        }
        Command::Up(args) => on(open()?, async |url| up::run(url, &global, &args).await),
        Command::Agents(command) => Ok(agents::run(&command, global.json)),
        Command::Audit(command) => on(open_existing()?, async |url| audit::run(url, &global, command).await),
        Command::Migrate(command @ MigrateCommand::Up) => {
            on(open()?, async |url| migrate::run(url, &global, command).await)
        }
        Command::Migrate(command) => on(open_existing()?, async |url| migrate::run(url, &global, command).await),
        Command::Seed(args) => on(open()?, async |url| seed::run(url, &global, &args).await),
        Command::Doctor => doctor::run(&global),
        Command::Bench(args) => turbocat_bench::run(&args, global.database_url(), global.json),
        Command::Chaos(args) => turbocat_chaos::run(&args, global.json),
        // They are work, and done above.
        other => bail!("`turbocat {}` cannot be done here", other.name()),
    }
}

/// Runs the command through a server.
fn through(server: &str, global: &GlobalArgs, command: Command) -> anyhow::Result<ExitCode> {
    match Kind::of(command)? {
        Kind::Work(work) => {
            let desk = Desk::Server(desk::client(server, global)?);
            block_on(work.at(&desk, global.json))
        }
        Kind::Other(Command::Run(args)) => {
            let prepared = run::Prepared::read(&args)?;
            block_on(run::through(desk::client(server, global)?, global.json, prepared))
        }
        // It needs neither.
        Kind::Other(Command::Agents(command)) => Ok(agents::run(&command, global.json)),
        Kind::Other(other) => bail!(
            "`turbocat {}` works on this machine and its database, not through the server {server}: leave --server out, \
             or unset TURBOCAT_SERVER",
            other.name()
        ),
    }
}

/// Does some work on a database. Opening it comes before: that may fork, and from here on there are threads.
fn on(database: OpenDatabase, work: impl AsyncFnOnce(&str) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    block_on(work(&database.url))
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("no threads are to be had")?;
    let ended = runtime.block_on(work);
    // A blocking call that hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

/// The account that the command line acts for, made if it is missing: who can start the binary on a database is its
/// administrator.
pub(crate) async fn seed_all(app: &App) -> anyhow::Result<Actor> {
    Ok(app.use_cases.seed(None, &Argon2Hasher).await?.admin)
}

/// A line for each item: of JSON, or of a table.
fn print<T>(json: bool, head: &[&str], items: &[T], (row, line): (impl Fn(&T) -> Vec<String>, impl Fn(&T) -> Value)) {
    if json {
        for item in items {
            report::json_line(&line(item));
        }
    } else if items.is_empty() {
        report::note("there are none");
    } else {
        report::line(view::table(head, &items.iter().map(row).collect::<Vec<_>>()));
    }
}
