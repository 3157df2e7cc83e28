//! The binary `turbocat`: reads the command line, wires the parts together, and runs one command.
//!
//! Nothing is decided here that a test of another crate could not reach: use cases are the application's, loops the
//! engine's. This crate knows the environment, the terminal and the signals.

mod adapter;
mod advice;
mod args;
mod command;
mod config;
mod database;
mod desk;
mod report;
mod signals;
mod telemetry;
mod view;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

/// A step allocates many small things that live for one commit.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The argument with which the binary runs itself again, as the child process of an agent.
const AGENT_CHILD: &str = "__agent";

fn main() -> ExitCode {
    // Before anything else: a child must have no threads, no runtime and no connections when it confines itself.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == AGENT_CHILD) {
        return turbocat_agents::child_main();
    }
    match std::env::args_os().nth(1) {
        Some(argument) if argument == turbocat_bench::WORKER_ARGUMENT => return turbocat_bench::worker_main(),
        Some(argument) if argument == turbocat_chaos::WORKER_ARGUMENT => return turbocat_chaos::worker_main(),
        _ => {}
    }
    let cli = Cli::parse();
    let json = cli.global.json;
    let _telemetry = telemetry::init(&cli);
    match command::run(cli) {
        Ok(code) if report::is_complete() => code,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            report::failure(&error, json);
            ExitCode::FAILURE
        }
    }
}
