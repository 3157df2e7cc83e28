//! A cluster and the share that a process has in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::error::ClusterError;
use crate::folder::{Folder, prepare_error};
use crate::installation::Installation;
use crate::keeper::{Keeper, Start};
use crate::postmaster::{self, PORT, Postmaster};
use crate::{data, sys};

/// The database that every cluster has.
pub const DATABASE: &str = "turbocat";

/// How long a server may take to become ready.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// How often it is looked at meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// How much of the log an error shows.
const LOG_LINES: usize = 20;

/// Which cluster to open, and how its server is started if it does not run. A server that runs stays as it is.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The folder of the cluster; it is made if it is missing.
    pub root: PathBuf,
    /// The binaries. Data of another major version get the installation that fits them, if there is one.
    pub installation: Installation,
    /// Whether a commit survives the machine. Never `false` for data that somebody wants to keep.
    pub durable: bool,
    /// How long the server stays when nobody uses it, in steps of 200 ms.
    pub linger: Duration,
}

impl ClusterOptions {
    /// The user's own cluster: `/var/lib/turbocat/pg` for root, else `turbocat/pg` in the folder for data.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoDataHome`] if the environment names no such folder.
    pub fn of_user(installation: Installation) -> Result<Self, ClusterError> {
        let root = Self::data_home()?.join("pg");
        Ok(Self { root, installation, durable: true, linger: Duration::from_secs(2) })
    }

    /// The folder of all that Turbocat keeps for this user, unless another is named.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoDataHome`] if the environment names none.
    pub fn data_home() -> Result<PathBuf, ClusterError> {
        if sys::effective_uid() == 0 {
            return Ok(PathBuf::from("/var/lib/turbocat"));
        }
        let given = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let usual = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(".local/share"));
        Ok(given.or_else(usual).ok_or(ClusterError::NoDataHome)?.join("turbocat"))
    }

    /// A cluster whose data may be lost, shared by all processes of this user that give the same key: for tests.
    #[must_use]
    pub fn throw_away(installation: Installation, key: &str) -> Self {
        let root = env::temp_dir().join(format!("turbocat-{}-{key}", sys::effective_uid()));
        Self { root, installation, durable: false, linger: Duration::from_secs(10) }
    }
}

/// A share in a cluster. The server runs while any process has one; dropping the last one stops it.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Postmaster,
    root: PathBuf,
    /// The share: a shared lock, which ends with the file.
    _share: File,
}

impl Cluster {
    /// Opens a cluster: makes it if there is none, and starts its server if it does not run. Blocks until the server
    /// answers, for a new cluster some seconds.
    ///
    /// # Errors
    ///
    /// A [`ClusterError`] that says which step failed; if the server did not come up, with the end of its log.
    pub fn open(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let folder = Folder::prepare(&options.root)?;
        let share = folder.lock_as_user()?;
        let only_starter = folder.lock_for_start()?;
        let postmaster = match Postmaster::running(&folder.data()) {
            Some(running) => running,
            None => start(&folder, options)?,
        };
        drop(only_starter);
        tracing::debug!(folder = %folder.root().display(), pid = postmaster.pid, "the cluster is open");
        Ok(Self { postmaster, root: folder.root().to_owned(), _share: share })
    }

    /// The address of a database of the cluster; [`DATABASE`] and `postgres` are always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket_folder = encode(self.postmaster.socket_folder.as_os_str().as_encoded_bytes());
        // The port is written out: it is part of the socket's name, and PGPORT would change it.
        format!("postgres://turbocat@localhost:{PORT}/{}?host={socket_folder}", encode(database.as_bytes()))
    }

    /// The process id of the server.
    #[must_use]
    pub const fn server_pid(&self) -> u32 {
        self.postmaster.pid
    }

    /// The folder of the cluster.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Starts the server. The caller holds the start lock.
///
/// A server that is there but not ready is waited for: the process that started it was killed, or its keeper was.
fn start(folder: &Folder, options: &ClusterOptions) -> Result<Postmaster, ClusterError> {
    let installation = data::ensure(folder, &options.installation, options.durable)?;
    let data = folder.data();
    let deadline = Instant::now() + READY_LIMIT;
    while Instant::now() < deadline {
        if let Some(running) = Postmaster::running(&data) {
            return Ok(running);
        }
        if postmaster::is_occupied(&data) {
            thread::sleep(POLL);
            continue;
        }
        postmaster::clear_stale(&data).map_err(|error| prepare_error(&data, error))?;
        let (durable, linger) = (options.durable, options.linger);
        let keeper = Keeper::start(Start { folder, installation: &installation, durable, linger })?;
        if let Some(running) = wait_until_ready(&keeper, &data, deadline) {
            return Ok(running);
        }
        if Instant::now() < deadline && !postmaster::is_occupied(&data) {
            return Err(ClusterError::Start { log: log_tail(folder) });
        }
    }
    Err(ClusterError::Timeout { waited_s: READY_LIMIT.as_secs(), log: log_tail(folder) })
}

/// Waits for the server, at most until its keeper has ended.
fn wait_until_ready(keeper: &Keeper, data: &Path, deadline: Instant) -> Option<Postmaster> {
    while Instant::now() < deadline {
        if let Some(running) = Postmaster::running(data) {
            return Some(running);
        }
        if keeper.has_ended_within(POLL) {
            return None;
        }
    }
    None
}

fn log_tail(folder: &Folder) -> String {
    let text = fs::read(folder.log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
}

/// Percent-encodes all that is not plain in a path of an address.
fn encode(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encoded = |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    bytes.iter().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_are_encoded_in_an_address() {
        assert_eq!(encode(b"/var/lib/a-b_c.d~e"), "/var/lib/a-b_c.d~e");
        assert_eq!(encode("/tmp/a b&c?é%".as_bytes()), "/tmp/a%20b%26c%3F%C3%A9%25");
    }
}
