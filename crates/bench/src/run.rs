//! From the command line to the report.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use tokio::runtime::{Builder, Runtime};

use crate::{
    args::BenchArgs,
    bench::Bench,
    report::{self, Report},
    server::Server,
};

/// Runs the workloads and prints their report. Call it before there are threads: it may start a server.
///
/// # Errors
///
/// What kept a workload from being measured.
pub fn run(args: &BenchArgs, database_url: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    ensure!(!args.attach || database_url.is_some(), "--attach needs the URL of the database that is served");
    let server = Server::open(database_url)?;
    let report = measure(args, &server, database_url);
    server.close();
    let report = report?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        report::print(&report, &mut out)?;
    }
    Ok(if args.gates && !report.all_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The load has this thread, the engine its own.
fn measure(args: &BenchArgs, server: &Server, database_url: Option<&str>) -> anyhow::Result<Report> {
    let threads = Runtime::new().context("no threads are to be had")?;
    let load = Builder::new_current_thread().enable_all().build().context("no thread is to be had")?;
    let report = load.block_on(async {
        let bench = Bench { args, server, threads: threads.handle(), url: database_url };
        let report = tokio::select! {
            report = Box::pin(bench.run()) => report,
            _ = tokio::signal::ctrl_c() => bail_interrupted(),
        };
        server.drop_databases().await?;
        report
    });
    threads.shutdown_background();
    report
}

fn bail_interrupted() -> anyhow::Result<Report> {
    bail!("interrupted")
}
