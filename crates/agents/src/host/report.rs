//! What of the confinement holds on this machine, for who operates it.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::{Budget, CHECK_MEMORY_MB, CHECK_TIMEOUT_MS, ENTRY, ENVELOPE_BYTES, encode};
use crate::child::{Layer, Message, Request, Task};

/// One part of the confinement of children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLayer {
    /// What it is called: `landlock`, `seccomp`, …
    pub name: String,
    /// Whether it holds on this machine.
    pub active: bool,
    /// What it does, or why it does not hold.
    pub detail: String,
}

/// Starts a child, lets it confine itself and then try to get out, and tells what held: measured, not guessed from
/// the kernel's version.
///
/// # Errors
///
/// If no child can be started, or it does not answer.
pub fn sandbox_report(child_program: &Path) -> io::Result<Vec<SandboxLayer>> {
    let budget = Budget { timeout_ms: CHECK_TIMEOUT_MS, memory_mb: CHECK_MEMORY_MB };
    let request = encode(&Request { label: "probe".to_owned(), task: Task::Probe, limits: budget.limits(&[]) })
        .map_err(io::Error::other)?;
    let mut child = Command::new(child_program)
        .arg(ENTRY)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let answer = ask(&mut child, &request);
    // It has answered, or will not.
    let _ignored = child.kill();
    child.wait()?;

    let layers: Vec<Layer> = serde_json::from_str(&answer?)?;
    let public = |Layer { name, active, detail }| SandboxLayer { name, active, detail };
    Ok(layers.into_iter().map(public).collect())
}

fn ask(child: &mut std::process::Child, request: &[u8]) -> io::Result<String> {
    child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?.write_all(request)?;
    let mut output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut length = [0; 4];
    output.read_exact(&mut length)?;
    let mut body = Vec::new();
    let limit = u64::from(u32::from_le_bytes(length)).min(ENVELOPE_BYTES as u64);
    output.take(limit).read_to_end(&mut body)?;
    match serde_json::from_slice(&body)? {
        Message::Result(layers) => Ok(layers.get().to_owned()),
        other => Err(io::Error::other(format!("an unexpected answer: {other:?}"))),
    }
}
