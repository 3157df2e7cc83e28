//! A run from its beginning to its report.

mod folders;
mod stage;

use std::{collections::BTreeSet, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{folders::Folders, stage::Stage};
use crate::{
    args::ChaosArgs,
    evidence::Evidence,
    load::Pace,
    oracle::{self, Snapshot},
    program::Program,
    report::{Report, Setting},
};

/// The part at the end that is without faults, in which everything must end.
const CALM: Duration = Duration::from_secs(30);
/// What a shell says of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the faults and prints the report.
///
/// # Errors
///
/// What kept the run from being made.
pub fn run(args: &ChaosArgs, json: bool) -> anyhow::Result<ExitCode> {
    let folders = Folders::make(args.keep.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("no threads are to be had")?;
    let ended = runtime.block_on(make(args, &folders));
    // A blocking call that hangs must not keep the process.
    runtime.shutdown_background();
    let is_good = ended.as_ref().is_ok_and(|(report, _)| report.valid && report.ok);
    if let Some(kept) = folders.close(!is_good) {
        eprintln!("logs, ledger and database are in {}", kept.display());
    }
    let (report, is_interrupted) = ended?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(match (is_good, is_interrupted) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(INTERRUPTED),
        (false, false) => ExitCode::FAILURE,
    })
}

/// Makes a run, and says whether it was stopped before its time.
async fn make(args: &ChaosArgs, folders: &Folders) -> anyhow::Result<(Report, bool)> {
    let program = Program::generate(args.seed);
    let mut evidence = Evidence::default();
    let stage = Stage::set(args, folders, &program, &mut evidence).await?;
    let faults: BTreeSet<String> = stage.faults.iter().map(|fault| fault.as_str().to_owned()).collect();
    let ended = play(args, &stage, &program, &mut evidence).await;
    let snapshot = match &ended {
        Ok(()) => Snapshot::read(stage.world.database.url()).await,
        Err(_) => Ok(Snapshot::default()),
    };
    stage.close().await;
    ended?;
    let findings = oracle::check(&program, &evidence, &snapshot?);
    let setting =
        Setting { seed: args.seed, minutes: args.minutes, faults, commit: env!("CARGO_PKG_VERSION").to_owned() };
    Ok((Report::new(&setting, &evidence, findings), evidence.is_interrupted))
}

/// Breaks things while the load goes on, and lets everything come to its end.
async fn play(args: &ChaosArgs, stage: &Stage, program: &Program, evidence: &mut Evidence) -> anyhow::Result<()> {
    let total = Duration::from_secs_f64(args.minutes * 60.0);
    // A run that is too short for a long calm is calm in its second half.
    let raging = total.saturating_sub(CALM).max(total / 2);
    let (no_orders, end) = (CancellationToken::new(), CancellationToken::new());
    let pace = Pace {
        in_flight: usize::try_from(args.in_flight)?,
        pause: args.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate),
    };
    let until = Instant::now() + raging;
    let script = async {
        stage.rage(args.seed, until, evidence).await?;
        no_orders.cancel();
        stage.heal(evidence).await;
        stage.finish(evidence).await
    };
    let script = async {
        let ended = script.await;
        no_orders.cancel();
        end.cancel();
        ended
    };
    let (ended, (), (), (), ()) = tokio::join!(
        script,
        stage.load.send(program, pace, &no_orders),
        stage.load.follow(&end),
        stage.world.watch.look(&end),
        stage.tell(&end),
    );
    ended
}

/// Where the logs of a run are, for a message.
fn logs(folder: &Path) -> String {
    format!("see the logs in {}", folder.display())
}
