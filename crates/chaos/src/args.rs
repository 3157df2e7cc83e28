//! The command line of `turbocat chaos`.

use std::path::PathBuf;

use crate::fault::Fault;

/// `turbocat chaos`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    turbocat chaos\n  \
    turbocat chaos --minutes 10 --seed 7 --json\n  \
    turbocat chaos --faults kill_worker,pause,reply_lost --keep ./run\n\n\
    It starts a PostgreSQL of its own (with fsync) and several worker processes, runs random workflows on them, breaks \
    things, and in the end holds the database against what was asked for and what agents did. No database of yours is \
    touched. The last part of the time is without faults: everything must have ended by then.\n\n\
    Faults: kill_worker, kill_acceptor, kill_backend, kill_postgres, pause, cut, stall, slow, reset, reply_lost, \
    commit_lost, pool, disk_full and eio. The last two need root (a mount), and strace; if they cannot be had, the \
    report says so.\n\n\
    It exits with 0 only if nothing was found and enough was tried for that to mean something.")]
pub struct ChaosArgs {
    /// What all choices depend on: the workflows, the orders, which fault comes when
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long it takes, with the quiet end
    #[arg(long, value_name = "M", default_value_t = 3.0, value_parser = minutes)]
    pub(crate) minutes: f64,
    /// Which faults are injected, with commas between them; `none` for none [default: all that this machine can do]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = faults)]
    pub(crate) faults: Vec<FaultChoice>,
    /// How many processes only work
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) workers: u8,
    /// How many processes take orders, too
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) acceptors: u8,
    /// How many executions are under way at once
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
    /// How many executions are started in a second at most [default: as many as end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: Option<u32>,
    /// Keep the logs, the ledger and the database of the run in this folder, which must be empty
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Break one rule of the protocol on purpose, to see that it is noticed
    #[cfg(feature = "planted-bugs")]
    #[arg(long, value_name = "BUG", hide = true)]
    pub(crate) plant: Option<turbocat_planted::Bug>,
}

/// What can be said of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultChoice {
    /// This one.
    Fault(Fault),
    /// None at all.
    None,
}

impl ChaosArgs {
    /// The faults that are asked for.
    pub(crate) fn wanted(&self) -> Vec<Fault> {
        if self.faults.is_empty() {
            return Fault::ALL.to_vec();
        }
        let named = self.faults.iter().filter_map(|choice| match choice {
            FaultChoice::Fault(fault) => Some(*fault),
            FaultChoice::None => None,
        });
        named.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// The bug that is planted.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn planted(&self) -> Option<String> {
        self.plant.map(|bug| bug.as_str().to_owned())
    }

    /// The bug that is planted: none, in a binary without the feature.
    #[cfg(not(feature = "planted-bugs"))]
    #[expect(clippy::unused_self, reason = "with the feature it looks")]
    pub(crate) const fn planted(&self) -> Option<String> {
        None
    }
}

fn faults(text: &str) -> Result<FaultChoice, String> {
    if text == "none" { Ok(FaultChoice::None) } else { text.parse().map(FaultChoice::Fault) }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.1..=1_440.0).contains(&minutes) => Ok(minutes),
        _ => Err("from 0.1 to 1440 minutes".to_owned()),
    }
}
