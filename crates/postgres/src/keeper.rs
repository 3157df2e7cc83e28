//! The keeper: the process that is the server's parent, and stops it when nobody uses it any more.
//!
//! Everything that it needs is prepared here, before the fork: afterwards nothing may be allocated.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::{self, PipeReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::error::ClusterError;
use crate::folder::Folder;
use crate::identity::Identity;
use crate::installation::Installation;
use crate::postmaster::{self, PORT};
use crate::sys;

/// How often the keeper looks whether anybody is left.
pub(crate) const TICK_MS: u16 = 200;

/// Settings of every server: no port, a private socket, and times in UTC.
const SETTINGS: [&str; 5] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    // The log is not rotated, so it must not grow on a healthy server.
    "log_checkpoints=off",
];

/// Settings of a server whose data may be lost, and which is shared by many tests at once.
const THROW_AWAY: [&str; 4] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"];

/// All that the forked processes need.
#[derive(Debug)]
pub(crate) struct KeeperPlan {
    /// The file on which the users hold shared locks.
    pub(crate) users_lock: CString,
    /// Where the server's messages go.
    pub(crate) log: CString,
    /// Where its socket is: a folder that is removed with the server, since it may lie outside the cluster's.
    pub(crate) socket_folder: CString,
    /// The server's program.
    pub(crate) program: CString,
    /// Its arguments, with its own name first.
    pub(crate) arguments: Vec<CString>,
    /// Its environment.
    pub(crate) environment: Vec<CString>,
    /// As whom it runs.
    pub(crate) identity: Identity,
    /// How many looks in a row must find nobody.
    pub(crate) linger_ticks: u64,
}

/// What a server is started with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// The folder of the cluster.
    pub(crate) folder: &'a Folder,
    /// The binaries.
    pub(crate) installation: &'a Installation,
    /// Whether a commit survives the machine.
    pub(crate) durable: bool,
    /// How long the server stays when nobody uses it.
    pub(crate) linger: Duration,
}

/// A keeper that runs, as seen by who started it.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// The other end is open while the keeper lives; nothing is ever written.
    alive: PipeReader,
}

impl Keeper {
    /// Starts a keeper, and it the server.
    pub(crate) fn start(start: Start<'_>) -> Result<Self, ClusterError> {
        let socket_folder = start.folder.make_socket_folder()?;
        postmaster::clear_stale_socket(&socket_folder).map_err(ClusterError::Keeper)?;
        let log = start.folder.log();
        // The messages of the last life are kept: why it ended is asked when the next one has begun.
        match fs::rename(&log, log.with_extension("log.1")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ClusterError::Keeper(error)),
            _ => {}
        }
        let plan = plan(start, &socket_folder).map_err(ClusterError::Keeper)?;
        let alive = sys::fork_keeper(&plan).map_err(ClusterError::Keeper)?;
        Ok(Self { alive })
    }

    /// Waits a while, at most until the keeper has ended, and says whether it has.
    pub(crate) fn has_ended_within(&self, wait: Duration) -> bool {
        sys::is_closed_within(&self.alive, wait)
    }
}

fn plan(start: Start<'_>, socket_folder: &Path) -> io::Result<KeeperPlan> {
    let (data, port) = (start.folder.data(), PORT.to_string());
    // The server finds its other files by its own name, which so must be its whole path.
    let program = start.installation.bin().join("postgres");
    let mut arguments: Vec<&OsStr> = vec![program.as_os_str(), "-D".as_ref(), data.as_os_str()];
    arguments.extend(["-k".as_ref(), socket_folder.as_os_str(), "-p".as_ref(), port.as_ref()]);
    let settings = SETTINGS.iter().chain(if start.durable { &[][..] } else { &THROW_AWAY[..] });
    arguments.extend(settings.flat_map(|setting| ["-c", setting]).map(OsStr::new));
    let environment = ["PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"].map(OsStr::new);
    Ok(KeeperPlan {
        users_lock: c_string(start.folder.users_lock().as_os_str())?,
        log: c_string(start.folder.log().as_os_str())?,
        socket_folder: c_string(socket_folder.as_os_str())?,
        program: c_string(program.as_os_str())?,
        arguments: arguments.into_iter().map(c_string).collect::<io::Result<_>>()?,
        environment: environment.into_iter().map(c_string).collect::<io::Result<_>>()?,
        identity: start.folder.identity(),
        linger_ticks: u64::try_from(start.linger.as_millis() / u128::from(TICK_MS)).unwrap_or(u64::MAX),
    })
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}
