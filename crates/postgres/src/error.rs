//! What can go wrong between finding the binaries and a server that answers.

use std::io;
use std::path::PathBuf;

/// There is no `PostgreSQL` on this machine, or not where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInstalled {
    /// It is nowhere.
    #[error("no PostgreSQL is installed{}", hint(.command.as_deref()))]
    Anywhere {
        /// The command that installs it on this system, if it is known.
        command: Option<String>,
    },
    /// `TURBOCAT_PG_BIN` names a folder, and it is not there.
    #[error("there is no PostgreSQL in `{}`, the folder that TURBOCAT_PG_BIN names", .folder.display())]
    InNamedFolder {
        /// The folder.
        folder: PathBuf,
    },
}

fn hint(command: Option<&str>) -> String {
    match command {
        Some(command) => format!(": `{command}` installs it"),
        None => ": install it, or set TURBOCAT_PG_BIN to the folder of its binaries".to_owned(),
    }
}

/// Why a cluster could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no `PostgreSQL` to start.
    #[error(transparent)]
    NotInstalled(#[from] NotInstalled),
    /// The environment names no folder to keep data in.
    #[error("neither XDG_DATA_HOME nor HOME says where data are kept")]
    NoDataHome,
    /// A folder or file of the cluster could not be made or read.
    #[error("`{}` could not be prepared", .path.display())]
    Prepare {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder holds something that is no cluster of Turbocat, and is left alone.
    #[error("`{}` is not empty and no cluster of Turbocat", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to somebody else, who could read or replace what is in it.
    #[error("`{}` belongs to another user", .path.display())]
    Insecure {
        /// The folder.
        path: PathBuf,
    },
    /// A program of the installation could not be run, or failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// The program.
        program: &'static str,
        /// What it printed, or why it did not run.
        output: String,
    },
    /// The data were written by another major version, which is not installed.
    #[error("the data in `{}` need PostgreSQL {needed}, and {found} is installed", .path.display())]
    Version {
        /// The data folder.
        path: PathBuf,
        /// The major version of the data.
        needed: u32,
        /// The major version of the binaries.
        found: u32,
    },
    /// The keeper of the server could not be started.
    #[error("the keeper of the server could not be started")]
    Keeper(#[source] io::Error),
    /// The server ended while it started.
    #[error("the server did not start; its log ends with:\n{log}")]
    Start {
        /// The end of its log.
        log: String,
    },
    /// The server did not become ready in time.
    #[error("the server was not ready after {waited_s} s; its log ends with:\n{log}")]
    Timeout {
        /// How long was waited, in seconds.
        waited_s: u64,
        /// The end of its log.
        log: String,
    },
}
