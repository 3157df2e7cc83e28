//! Tries what must not work any more, so that a report tells what is, and not what should be.

use std::{
    fs::{self, File},
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    process::Command,
    thread,
};

use nix::{sys::signal::kill, unistd::getppid};

use super::Layer;

/// What became of attempts to get out of the confinement.
pub(crate) fn attempts() -> Vec<Layer> {
    vec![
        refused(
            "no_files",
            &[
                ("read /etc/passwd", File::open("/etc/passwd").is_ok()),
                ("list /", fs::read_dir("/").is_ok()),
                ("read /proc/self/status", File::open("/proc/self/status").is_ok()),
                ("write /tmp", File::create("/tmp/turbocat-agent-probe").is_ok()),
            ],
        ),
        refused(
            "no_network",
            &[
                ("open an internet socket", UdpSocket::bind("127.0.0.1:0").is_ok()),
                ("open a local socket", UnixDatagram::unbound().is_ok()),
            ],
        ),
        refused(
            "no_processes",
            &[
                ("start a program", Command::new("/bin/true").status().is_ok()),
                ("start a thread", thread::Builder::new().spawn(|| ()).is_ok()),
            ],
        ),
        refused("no_signals", &[("signal its host", kill(getppid(), None).is_ok())]),
        refused("no_environment", &[("read a variable", std::env::vars_os().next().is_some())]),
    ]
}

fn refused(name: &str, attempts: &[(&str, bool)]) -> Layer {
    let told = |succeeded: bool| {
        let names: Vec<&str> =
            attempts.iter().filter(|attempt| attempt.1 == succeeded).map(|attempt| attempt.0).collect();
        names.join(", ")
    };
    let succeeded = told(true);
    let active = succeeded.is_empty();
    let detail = if active { format!("cannot {}", told(false)) } else { format!("can still {succeeded}") };
    Layer { name: name.to_owned(), active, detail }
}
