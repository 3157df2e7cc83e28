//! The commands, one file each.

mod access;
mod agents;
mod apply;
mod asked;
mod audit;
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

use std::process::ExitCode;

use anyhow::Context;
use turbocat_application::{Actor, Argon2Hasher};

use crate::{
    args::{Cli, Command, MigrateCommand},
    database::OpenDatabase,
    wire::App,
};

/// Runs the command that was given.
///
/// # Errors
///
/// Why it could not be done.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    let open = || OpenDatabase::open(&global);
    let open_existing = || OpenDatabase::open_existing(&global);
    match command {
        Command::Run(args) => {
            // What can be refused without a database is refused before one is started.
            let prepared = run::Prepared::read(&args)?;
            on(open()?, async |url| run::run(url, &global, prepared).await)
        }
        Command::Up(args) => on(open()?, async |url| up::run(url, &global, &args).await),
        Command::Apply(args) => {
            let files = apply::read(&args)?;
            on(open()?, async |url| apply::run(url, &global, &files).await)
        }
        Command::Agents(command) => Ok(agents::run(&command, global.json)),
        Command::Executions(command) => on(open_existing()?, async |url| executions::run(url, &global, command).await),
        Command::Events(command) => on(open_existing()?, async |url| waiting::events(url, &global, command).await),
        Command::Approvals(command) => {
            on(open_existing()?, async |url| waiting::approvals(url, &global, command).await)
        }
        Command::Schedules(command) => {
            on(open_existing()?, async |url| waiting::schedules(url, &global, command).await)
        }
        Command::Templates(command) => on(open()?, async |url| template::templates(url, &global, command).await),
        Command::Deployments(command) => on(open()?, async |url| deployment::deployments(url, &global, command).await),
        Command::Users(command) => on(open()?, async |url| access::users(url, &global, command).await),
        Command::Keys(command) => on(open()?, async |url| access::keys(url, &global, command).await),
        Command::Audit(command) => on(open_existing()?, async |url| audit::run(url, &global, command).await),
        Command::Secrets(command) => {
            let prepared = secrets::Prepared::read(command)?;
            on(open()?, async |url| secrets::run(url, &global, prepared).await)
        }
        Command::Migrate(command @ MigrateCommand::Up) => {
            on(open()?, async |url| migrate::run(url, &global, command).await)
        }
        Command::Migrate(command) => on(open_existing()?, async |url| migrate::run(url, &global, command).await),
        Command::Seed(args) => on(open()?, async |url| seed::run(url, &global, &args).await),
        Command::Doctor => doctor::run(&global),
        Command::Bench(args) => turbocat_bench::run(&args, global.database_url(), global.json),
        Command::Chaos(args) => turbocat_chaos::run(&args, global.json),
    }
}

/// Does some work on a database. Opening it comes before: that may fork, and from here on there are threads.
fn on(database: OpenDatabase, work: impl AsyncFnOnce(&str) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("no threads are to be had")?;
    let ended = runtime.block_on(work(&database.url));
    // A blocking call that hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

/// The account that the command line acts for, made if it is missing: who can start the binary on a database is its
/// administrator.
async fn seed_all(app: &App) -> anyhow::Result<Actor> {
    Ok(app.use_cases.seed(None, &Argon2Hasher).await?.admin)
}
