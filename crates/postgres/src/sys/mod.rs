//! The calls into the system that the standard library does not offer. Everything unsafe of this crate is here.

mod fork;

use std::ffi::CStr;
use std::io::{self, PipeReader};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

pub(crate) use fork::fork_keeper;

use crate::identity::Identity;

/// The user id that decides what this process may do.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: it has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// Makes a command run as another identity, and die with the thread that runs it.
pub(crate) fn run_as(command: &mut Command, identity: Identity) {
    let parent = std::process::id();
    let become_child = move || {
        become_identity(identity)?;
        die_with_parent(libc::SIGKILL, parent)
    };
    // SAFETY: the closure allocates nothing, takes no lock and makes system calls only.
    unsafe { command.pre_exec(become_child) };
}

/// Waits until the other end of a pipe is closed, at most as long as is said, and says whether it is.
pub(crate) fn is_closed_within(pipe: &PipeReader, wait: Duration) -> bool {
    let mut descriptor = libc::pollfd { fd: pipe.as_raw_fd(), events: 0, revents: 0 };
    let wait_ms = libc::c_int::try_from(wait.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer is to one descriptor that outlives the call, and the count says one.
    let ready = unsafe { libc::poll(&raw mut descriptor, 1, wait_ms) };
    ready > 0 && descriptor.revents & libc::POLLHUP != 0
}

/// Changes the identity of this process, which has one thread. Allocates nothing.
fn become_identity(identity: Identity) -> io::Result<()> {
    match identity {
        Identity::Same => Ok(()),
        Identity::Account { uid, gid } => {
            // SAFETY: the list of groups is empty, so its pointer is not read.
            check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
            // SAFETY: it has no preconditions. The group goes first, because afterwards it may not be changed.
            check(unsafe { libc::setgid(gid) })?;
            // SAFETY: it has no preconditions.
            check(unsafe { libc::setuid(uid) })
        }
        Identity::Namespace => enter_namespace(),
    }
}

/// Enters a user namespace in which this user is `nobody`. Allocates nothing.
///
/// The id inside must be one that has an account, and 65534 has one everywhere.
#[cfg(target_os = "linux")]
fn enter_namespace() -> io::Result<()> {
    // SAFETY: it has no preconditions; this process has one thread, as a user namespace needs.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    write(c"/proc/self/setgroups", b"deny")?;
    write(c"/proc/self/uid_map", b"65534 0 1")?;
    write(c"/proc/self/gid_map", b"65534 0 1")
}

#[cfg(not(target_os = "linux"))]
fn enter_namespace() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the kernel for a signal when the parent dies. Must follow a change of identity, which takes it back.
#[cfg(target_os = "linux")]
fn die_with_parent(signal: libc::c_int, parent: u32) -> io::Result<()> {
    // SAFETY: this option takes a number and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) })?;
    // SAFETY: it has no preconditions and cannot fail.
    let current = unsafe { libc::getppid() };
    // The parent may have died before the kernel was asked.
    if u32::try_from(current) == Ok(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_signal: libc::c_int, _parent: u32) -> io::Result<()> {
    Ok(())
}

/// Writes to a file that exists, in one call. Allocates nothing.
#[cfg(target_os = "linux")]
fn write(path: &CStr, content: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with a NUL and outlives the call.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    check(file)?;
    // SAFETY: the pointer and the length are those of one slice.
    let written = unsafe { libc::write(file, content.as_ptr().cast(), content.len()) };
    let result = if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the descriptor was opened above and is used no more.
    unsafe { libc::close(file) };
    result
}

/// Turns the answer of a system call into a result. The error is a number: nothing is allocated.
fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
