//! The keeper and the server as processes.
//!
//! The process that forks has other threads, which may hold any lock at that moment. So between the fork and the
//! server's `exec` nothing is allocated, no lock is taken, nothing can panic, and only system calls are made.
//!
//! ```text
//! user ──fork──▶ intermediate ──fork──▶ keeper ──fork──▶ server (exec)
//!                  ends at once          own session, no descriptor of the user's but the pipe
//! ```

use std::ffi::CStr;
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::{become_identity, die_with_parent};
use crate::keeper::{KeeperPlan, TICK_MS};

/// Where the keeper keeps its end of the pipe: behind the three standard streams.
const PIPE: RawFd = 3;

/// How many looks the server gets to stop in order (a minute), before it stops at once and recovers at its next start.
const STOP_TICKS: u32 = 300;

/// The server's command line in the form that `exec` takes.
struct Exec {
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
}

/// Forks the keeper. The pipe's other end closes when the keeper ends.
pub(crate) fn fork_keeper(plan: &KeeperPlan) -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    let exec = Exec { arguments: pointers(&plan.arguments), environment: pointers(&plan.environment) };
    let mask = block_signals();
    // SAFETY: the child makes system calls only, and never returns from `detach`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        detach(plan, &exec, writer.as_raw_fd());
    }
    let failure = io::Error::last_os_error();
    // SAFETY: the mask was filled by `block_signals`, and no old one is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut()) };
    if child < 0 { Err(failure) } else { reap(child).map(|()| reader) }
}

/// Waits for the intermediate process, which ends at once.
fn reap(child: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the pointer is to an integer that outlives the call.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            // This process lets the kernel reap its children.
            _ if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            _ => return Err(error),
        }
    }
    if status == 0 { Ok(()) } else { Err(io::Error::other("the process could not be detached")) }
}

/// Blocks all signals, and returns what was blocked before: a handler of this process must not run in the child,
/// where what it knows (a pipe to a runtime) is something else.
fn block_signals() -> libc::sigset_t {
    // SAFETY: a set of signals is plain numbers, for which zero is a value; both are filled before they are read.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

/// The list of pointers that `exec` takes, closed by a null. Valid as long as the strings are.
fn pointers(strings: &[std::ffi::CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// The intermediate process: gives the signals their usual meaning, leaves the user's session, and ends when it has
/// made the keeper, which so becomes nobody's child and leaves nobody a dead process to wait for.
fn detach(plan: &KeeperPlan, exec: &Exec, pipe: RawFd) -> ! {
    // SAFETY: system calls in a process of one thread; the set is filled before it is read. Numbers that are no
    // signals are refused, and harmless.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::setsid();
        match libc::fork() {
            0 => keep(plan, exec, pipe),
            -1 => libc::_exit(1),
            _ => libc::_exit(0),
        }
    }
}

/// The keeper: starts the server and watches until one of the two reasons to end has come.
fn keep(plan: &KeeperPlan, exec: &Exec, pipe: RawFd) -> ! {
    close_inherited(pipe);
    name_process(c"turbocat-keeper");
    // SAFETY: system calls with strings that end with a NUL and outlive them.
    unsafe {
        libc::umask(0o077);
        libc::chdir(c"/".as_ptr());
        let users = libc::open(plan.users_lock.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        let log = libc::open(plan.log.as_ptr(), flags, 0o600);
        let keeper = libc::getpid();
        if users < 0 || log < 0 {
            libc::_exit(1);
        }
        match libc::fork() {
            0 => serve(plan, exec, log, keeper),
            -1 => libc::_exit(1),
            server => watch(plan, users, server),
        }
    }
}

/// Closes all that the user had open - its locks and its terminal among it - but the pipe.
fn close_inherited(pipe: RawFd) {
    // SAFETY: system calls on descriptors of this process, which nothing in it uses any more.
    unsafe {
        if pipe != PIPE {
            libc::dup2(pipe, PIPE);
        }
        libc::fcntl(PIPE, libc::F_SETFD, libc::FD_CLOEXEC);
        close_from(PIPE + 1);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for stream in 0..PIPE {
            libc::dup2(null, stream);
        }
        libc::close(null);
    }
}

/// Closes all descriptors from the first one on; one by one where the kernel cannot do it at once.
fn close_from(first: RawFd) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call takes three numbers and no pointer.
        if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } == 0 {
            return;
        }
    }
    for descriptor in first..65_536 {
        // SAFETY: nothing in this process uses the descriptor any more.
        unsafe { libc::close(descriptor) };
    }
}

/// Gives this process a name in the list of processes.
fn name_process(name: &CStr) {
    #[cfg(target_os = "linux")]
    // SAFETY: the name ends with a NUL and outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
    #[cfg(not(target_os = "linux"))]
    let _unused = name;
}

/// The server: becomes who it runs as, ties its life to the keeper's, and executes the program. SIGINT is what makes
/// it stop in order without waiting for its clients.
fn serve(plan: &KeeperPlan, exec: &Exec, log: RawFd, keeper: libc::pid_t) -> ! {
    // SAFETY: system calls; the lists of pointers are closed by a null, their strings live in `plan`.
    unsafe {
        libc::dup2(log, 1);
        libc::dup2(log, 2);
        if become_identity(plan.identity).is_err() {
            complain(b"turbocat: the server's identity could not be taken on\n");
        }
        if die_with_parent(libc::SIGINT, keeper.unsigned_abs()).is_err() {
            complain(b"turbocat: the keeper has ended\n");
        }
        libc::execve(plan.program.as_ptr(), exec.arguments.as_ptr(), exec.environment.as_ptr());
    }
    complain(b"turbocat: the server's program could not be executed\n")
}

/// Ends this process with a line in the log.
fn complain(line: &[u8]) -> ! {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe {
        libc::write(2, line.as_ptr().cast(), line.len());
        libc::_exit(127)
    }
}

/// Looks again and again whether the server is there (else the keeper ends), and whether a user is.
fn watch(plan: &KeeperPlan, users: RawFd, server: libc::pid_t) -> ! {
    let mut unused_ticks: u64 = 0;
    loop {
        pause();
        if has_ended(server) {
            exit();
        }
        // SAFETY: the call takes a descriptor of this process and a number.
        let nobody = unsafe { libc::flock(users, libc::LOCK_EX | libc::LOCK_NB) } == 0;
        if !nobody {
            unused_ticks = 0;
        } else if unused_ticks >= plan.linger_ticks {
            stop(plan, server);
        } else {
            unused_ticks = unused_ticks.saturating_add(1);
            // SAFETY: as above.
            unsafe { libc::flock(users, libc::LOCK_UN) };
        }
    }
}

/// Stops the server and ends. The lock is held to the end, so whoever comes meanwhile waits, and finds no server.
fn stop(plan: &KeeperPlan, server: libc::pid_t) -> ! {
    // SAFETY: the server is a child that was not waited for yet, so its id is still its own.
    unsafe { libc::kill(server, libc::SIGINT) };
    let mut ticks: u32 = 0;
    while !has_ended(server) {
        if ticks == STOP_TICKS {
            // SAFETY: as above.
            unsafe { libc::kill(server, libc::SIGQUIT) };
        }
        ticks = ticks.saturating_add(1);
        pause();
    }
    // SAFETY: the path ends with a NUL and outlives the call, which refuses a folder that is not empty.
    unsafe { libc::rmdir(plan.socket_folder.as_ptr()) };
    exit()
}

/// Whether the server has ended. When it is no child (any more), it has.
fn has_ended(server: libc::pid_t) -> bool {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(server, ptr::null_mut(), libc::WNOHANG) != 0 }
}

fn pause() {
    // SAFETY: the list of descriptors is empty, so its pointer is not read.
    unsafe { libc::poll(ptr::null_mut(), 0, libc::c_int::from(TICK_MS)) };
}

fn exit() -> ! {
    // SAFETY: it has no preconditions, and runs none of the user's exit handlers.
    unsafe { libc::_exit(0) }
}
