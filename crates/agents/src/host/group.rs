//! The process group of one child, and the thread that starts it.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    sync::oneshot,
};

use super::ENTRY;

/// Starts children from one thread that lives as long as the host does.
///
/// A child is killed when the *thread* that started it ends, and the threads of a runtime come and go.
#[derive(Debug)]
pub(super) struct Launcher {
    orders: mpsc::Sender<Order>,
}

struct Order {
    runtime: Handle,
    reply: oneshot::Sender<io::Result<ProcessGroup>>,
}

impl Launcher {
    pub(super) fn start(program: PathBuf) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name("agent-launcher".to_owned()).spawn(move || {
            for order in inbox {
                let launched = launch(&program, &order);
                // Who ordered it may be gone: the group is killed as it is dropped.
                let _ignored = order.reply.send(launched);
            }
        })?;
        Ok(Self { orders })
    }

    /// Starts a child in a group of its own, without environment.
    pub(super) async fn launch(&self) -> io::Result<ProcessGroup> {
        let (reply, launched) = oneshot::channel();
        self.orders.send(Order { runtime: Handle::current(), reply }).map_err(|_| io::Error::other("no launcher"))?;
        launched.await.map_err(io::Error::other)?
    }
}

fn launch(program: &Path, order: &Order) -> io::Result<ProcessGroup> {
    let _context = order.runtime.enter();
    let child = Command::new(program)
        .arg(ENTRY)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let group = id.map(Pid::from_raw).ok_or_else(|| io::Error::other("the child has no id"))?;
    Ok(ProcessGroup { child: Some(child), group, runtime: order.runtime.clone() })
}

/// A running child and everything that it started; dropped, it is killed and reaped.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    /// `None` once it is reaped: from then on its id may be another's.
    child: Option<Child>,
    group: Pid,
    runtime: Handle,
}

impl ProcessGroup {
    /// The pipes; each can be taken once.
    pub(super) fn take_pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        match &mut self.child {
            Some(child) => (child.stdin.take(), child.stdout.take(), child.stderr.take()),
            None => (None, None, None),
        }
    }

    /// Whether it has not ended by itself.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the whole group; the leader stays a zombie, and its id its own, until it is reaped.
    pub(super) fn kill(&self) {
        if self.child.is_some() {
            // There is nobody left to kill if this fails.
            let _ignored = killpg(self.group, Signal::SIGKILL);
        }
    }

    /// Kills what is left and tells how the leader ended.
    pub(super) async fn end(mut self) -> io::Result<ExitStatus> {
        self.kill();
        let status = match &mut self.child {
            Some(child) => child.wait().await,
            None => Err(io::Error::other("reaped before")),
        };
        self.child = None;
        status
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut child) = self.child.take() {
            self.runtime.spawn(async move { child.wait().await });
        }
    }
}
