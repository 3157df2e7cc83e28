//! The data folder: made once, whole or not at all, and never for another version.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::cluster::DATABASE;
use crate::error::ClusterError;
use crate::folder::{Folder, prepare_error};
use crate::installation::Installation;
use crate::sys;

/// The beginning of the names under which data folders are made.
const UNFINISHED: &str = "data.new.";

/// Makes the data if there are none, and returns the installation that fits them. The caller holds the start lock.
pub(crate) fn ensure(folder: &Folder, wanted: &Installation, durable: bool) -> Result<Installation, ClusterError> {
    let version = folder.data().join("PG_VERSION");
    match fs::read_to_string(&version) {
        Ok(text) => fitting(folder, wanted, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(folder, wanted, durable)?;
            Ok(wanted.clone())
        }
        Err(error) => Err(prepare_error(&version, error)),
    }
}

/// The installation for data of a version: the wanted one, or another one that is installed beside it.
fn fitting(folder: &Folder, wanted: &Installation, version: &str) -> Result<Installation, ClusterError> {
    let needed = version.trim().parse().unwrap_or_default();
    if wanted.major() == needed {
        return Ok(wanted.clone());
    }
    let path = folder.data();
    Installation::find_major(needed).ok_or(ClusterError::Version { path, needed, found: wanted.major() })
}

/// Makes the data under another name and renames them when they are complete.
fn create(folder: &Folder, installation: &Installation, durable: bool) -> Result<(), ClusterError> {
    tracing::info!(folder = %folder.root().display(), version = installation.major(), "making a new cluster");
    remove_unfinished(folder).map_err(|error| prepare_error(folder.root(), error))?;
    let unfinished = folder.root().join(format!("{UNFINISHED}{}", std::process::id()));
    initdb(folder, installation, &unfinished, durable)?;
    create_database(folder, installation, &unfinished, durable)?;
    let finished = fs::rename(&unfinished, folder.data()).and_then(|()| File::open(folder.root())?.sync_all());
    finished.map_err(|error| prepare_error(&folder.data(), error))
}

/// Removes what a first start left that was killed. A program of it may still be writing its last: then again.
fn remove_unfinished(folder: &Folder) -> io::Result<()> {
    for entry in fs::read_dir(folder.root())? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let mut tries_left: u32 = 100;
        while let Err(error) = fs::remove_dir_all(entry.path()) {
            if error.kind() != io::ErrorKind::DirectoryNotEmpty || tries_left == 0 {
                return Err(error);
            }
            tries_left -= 1;
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn initdb(folder: &Folder, installation: &Installation, data: &Path, durable: bool) -> Result<(), ClusterError> {
    let mut command = Command::new(installation.bin().join("initdb"));
    command.args(["--username=turbocat", "--encoding=UTF8", "--locale=C", "--data-checksums"]);
    // Who reaches the socket is let in: its folder is private, and no other way in is opened.
    command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
    if !durable {
        command.arg("--no-sync");
    }
    command.arg("--pgdata").arg(data);
    run("initdb", folder, command, "")
}

/// Creates [`DATABASE`] before the data get their name, so that a cluster without it does not exist.
fn create_database(
    folder: &Folder,
    installation: &Installation,
    data: &Path,
    durable: bool,
) -> Result<(), ClusterError> {
    let mut command = Command::new(installation.bin().join("postgres"));
    command.args(["--single", "-c", "exit_on_error=on"]);
    if !durable {
        command.arg("-F");
    }
    command.arg("-D").arg(data).arg("postgres");
    run("postgres --single", folder, command, &format!("CREATE DATABASE {DATABASE}\n"))
}

/// Runs a program of the installation to its end, as the server's identity.
fn run(program: &'static str, folder: &Folder, mut command: Command, input: &str) -> Result<(), ClusterError> {
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    sys::run_as(&mut command, folder.identity());
    match feed(&mut command, input) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(ClusterError::Program { program, output })
        }
        Err(error) => Err(ClusterError::Program { program, output: error.to_string() }),
    }
}

fn feed(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended early says why on its other pipe.
        let _broken_pipe = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
