//! The folders of a run: one for everything that is worth keeping, and one for sockets.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The folders of a run.
#[derive(Debug)]
pub(super) struct Folders {
    /// Logs, the ledger, and the cluster.
    pub(super) run: PathBuf,
    /// Sockets, whose addresses must be short.
    pub(super) sockets: PathBuf,
    is_kept: bool,
}

impl Folders {
    /// Makes them: the run's where it is wanted and kept, else among the temporary files.
    pub(super) fn make(kept: Option<&Path>) -> anyhow::Result<Self> {
        let id = std::process::id();
        let run = match kept {
            Some(folder) => std::path::absolute(folder)?,
            None => std::env::temp_dir().join(format!("turbocat-chaos-{id}")),
        };
        let sockets = std::env::temp_dir().join(format!("turbocat-sockets-{id}"));
        for folder in [&run, &sockets] {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        if fs::read_dir(&run)?.next().is_some() {
            anyhow::bail!("{} is not empty: a run wants a folder of its own", run.display());
        }
        Ok(Self { run, sockets, is_kept: kept.is_some() })
    }

    /// A file of the run.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }

    /// Removes what is not to be kept; returns what is.
    pub(super) fn close(self, is_wanted: bool) -> Option<PathBuf> {
        // What cannot be removed is left among the temporary files.
        let _left = fs::remove_dir_all(&self.sockets);
        if self.is_kept || is_wanted {
            return Some(self.run);
        }
        let _left = fs::remove_dir_all(&self.run);
        None
    }
}
