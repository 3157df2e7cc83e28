//! The kinds of faults.

use std::{fmt, str::FromStr};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// A worker is killed by `kill -9`, and started again soon.
    KillWorker,
    /// The same, of a process that accepts executions.
    KillAcceptor,
    /// One process of the server is killed: it drops all sessions and recovers.
    KillBackend,
    /// The first process of the server is killed, and the server started again.
    KillPostgres,
    /// A worker is stopped for longer than its lease, and goes on.
    Pause,
    /// A connection ends in the middle of a request.
    Cut,
    /// A process hears nothing of the database for some seconds.
    Stall,
    /// Each request and answer of a process takes longer for some seconds.
    Slow,
    /// All connections of a process end at once, and new ones are refused for a moment.
    Reset,
    /// A commit is made, and its answer is lost.
    ReplyLost,
    /// A commit is lost before the server sees it.
    CommitLost,
    /// The server lets nobody in any more for some seconds.
    Pool,
    /// The disk of the server is full for some seconds.
    DiskFull,
    /// The server cannot flush what it writes.
    Eio,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::KillWorker,
        Self::KillAcceptor,
        Self::KillBackend,
        Self::KillPostgres,
        Self::Pause,
        Self::Cut,
        Self::Stall,
        Self::Slow,
        Self::Reset,
        Self::ReplyLost,
        Self::CommitLost,
        Self::Pool,
        Self::DiskFull,
        Self::Eio,
    ];

    /// Its name, in snake case.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::KillWorker => "kill_worker",
            Self::KillAcceptor => "kill_acceptor",
            Self::KillBackend => "kill_backend",
            Self::KillPostgres => "kill_postgres",
            Self::Pause => "pause",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Slow => "slow",
            Self::Reset => "reset",
            Self::ReplyLost => "reply_lost",
            Self::CommitLost => "commit_lost",
            Self::Pool => "pool",
            Self::DiskFull => "disk_full",
            Self::Eio => "eio",
        }
    }

    /// How often it comes in a round of faults. Those that take everything down for seconds are rare, so that the
    /// others find something that runs.
    pub(crate) const fn weight(self) -> usize {
        match self {
            Self::ReplyLost | Self::CommitLost => 8,
            Self::KillWorker | Self::KillAcceptor | Self::Cut | Self::Reset => 4,
            Self::Stall | Self::Slow => 3,
            Self::KillBackend | Self::Pause => 2,
            Self::KillPostgres | Self::Pool | Self::DiskFull | Self::Eio => 1,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.as_str()).collect();
            format!("there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::ALL {
            assert_eq!(fault.as_str().parse(), Ok(fault));
        }
        assert!("meteor".parse::<Fault>().unwrap_err().contains("kill_worker"));
    }
}
