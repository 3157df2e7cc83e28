//! What the files and processes say about the server of a data folder.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The number in the name of the socket. Sockets of different clusters lie in different folders.
pub(crate) const PORT: u16 = 5432;

/// The first process of a server, as it describes itself in `postmaster.pid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postmaster {
    /// Its process id.
    pub(crate) pid: u32,
    /// Where its socket is.
    pub(crate) socket_folder: PathBuf,
}

impl Postmaster {
    /// The server of the folder, if it says that it is ready and its socket answers.
    pub(crate) fn running(data: &Path) -> Option<Self> {
        let postmaster = Self::parse_ready(&fs::read_to_string(data.join("postmaster.pid")).ok()?)?;
        UnixStream::connect(socket_in(&postmaster.socket_folder)).ok()?;
        Some(postmaster)
    }

    /// Reads the file: process id, data folder, start time, port, socket folder, address, memory key, state.
    fn parse_ready(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        match lines.as_slice() {
            [pid, _, _, _, socket_folder, _, _, "ready", ..] => {
                Some(Self { pid: pid.parse().ok()?, socket_folder: socket_folder.into() })
            }
            _ => None,
        }
    }
}

/// The socket in its folder.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{PORT}"))
}

/// Whether any process of a server works in the folder: one that starts, stops, or lost its postmaster.
///
/// All processes of a server have the data folder as working directory.
pub(crate) fn is_occupied(data: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).any(|process| {
        fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == data)
            && fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres")
    })
}

/// Removes the `postmaster.pid` of a server that did not end in order.
///
/// The server itself distrusts such a file when its process id has been given to another process since, and does not
/// start. Nobody works in the folder (see [`is_occupied`]; the caller holds the lock), so the file is of no use.
/// Without a process table to look into, the server's own judgement is the best there is.
pub(crate) fn clear_stale(data: &Path) -> io::Result<()> {
    remove_stale(&data.join("postmaster.pid"))
}

/// Removes the lock of the socket that such a server left, for the same reasons: the process that it names may be
/// another's by now, or one that has ended and that its parent has not asked about yet.
pub(crate) fn clear_stale_socket(folder: &Path) -> io::Result<()> {
    remove_stale(&folder.join(format!(".s.PGSQL.{PORT}.lock")))
}

fn remove_stale(file: &Path) -> io::Result<()> {
    if !Path::new("/proc/self/cwd").exists() {
        return Ok(());
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ready_server_counts() {
        let file = "4711\n/d/data\n1790000000\n5432\n/d/run\n\n  1234 5\nready   \n";
        let expected = Postmaster { pid: 4711, socket_folder: "/d/run".into() };
        assert_eq!(Postmaster::parse_ready(file), Some(expected));
        assert_eq!(Postmaster::parse_ready(&file.replace("ready", "starting")), None);
        assert_eq!(Postmaster::parse_ready("4711\n/d/data\n"), None);
        assert_eq!(Postmaster::parse_ready(""), None);
    }
}
