//! Children that wait for a request: what starting one costs is paid before it is needed.
//!
//! A waiting child has been given nothing yet and has read nothing; it is used once, as any other. None is started
//! before the first is needed, so that a server that runs no programs has none.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::group::{Launcher, ProcessGroup};

/// How many children wait at most.
const WAITING_MAX: usize = 4;

/// The children that wait, and who starts more.
#[derive(Debug)]
pub(super) struct Warm(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    launcher: Launcher,
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    children: Vec<ProcessGroup>,
    /// How many are being started.
    starting: usize,
}

impl Warm {
    pub(super) fn new(program: PathBuf, children_max: usize) -> io::Result<Self> {
        let (launcher, most) = (Launcher::start(program)?, WAITING_MAX.min(children_max));
        Ok(Self(Arc::new(Shared { launcher, most, waiting: Mutex::default() })))
    }

    /// A child that waits, or else a new one; and has others started in its place.
    pub(super) async fn take(&self) -> io::Result<ProcessGroup> {
        let child = self.0.waiting().take();
        let child = match child {
            Some(child) => child,
            None => self.0.launcher.launch().await?,
        };
        self.0.refill();
        Ok(child)
    }
}

impl Waiting {
    /// The oldest that has not died meanwhile.
    fn take(&mut self) -> Option<ProcessGroup> {
        while !self.children.is_empty() {
            let mut child = self.children.remove(0);
            if child.is_running() {
                return Some(child);
            }
        }
        None
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refill(self: &Arc<Self>) {
        let missing = {
            let mut waiting = self.waiting();
            let missing = self.most.saturating_sub(waiting.children.len() + waiting.starting);
            waiting.starting += missing;
            missing
        };
        for _ in 0..missing {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let launched = shared.launcher.launch().await;
                let mut waiting = shared.waiting();
                waiting.starting -= 1;
                // One that cannot be started now is tried again when it is needed, and its error told then.
                waiting.children.extend(launched);
            });
        }
    }
}
