//! What is done to the connections of a proxy, as the one who injects faults wants it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::statement::Target;

/// How all connections of a proxy are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What comes is passed on.
    Pass,
    /// What comes is kept until that ends.
    Stall,
    /// Each request and each answer takes so much longer.
    Slow(Duration),
    /// New connections are refused.
    Refuse,
}

/// What is done to one request. Each ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The server does what it is asked, and its answer is lost.
    ReplyLost,
    /// The server is never asked.
    CommitLost,
    /// Half of the request arrives.
    Torn,
}

impl Trap {
    /// The name of the fault.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReplyLost => "reply_lost",
            Self::CommitLost => "commit_lost",
            Self::Torn => "cut",
        }
    }
}

/// What is done to the connections of a proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Switch(Arc<Levers>);

#[derive(Debug)]
struct Levers {
    mode: watch::Sender<Mode>,
    /// Traps for commits, each with what must have been written; `None` for anything.
    traps: Mutex<VecDeque<(Trap, Option<Target>)>>,
    /// Cancelled to end all connections; then replaced.
    cut: Mutex<CancellationToken>,
    sprung: Mutex<BTreeMap<&'static str, u64>>,
}

impl Default for Switch {
    fn default() -> Self {
        let (mode, _) = watch::channel(Mode::Pass);
        Self(Arc::new(Levers { mode, traps: Mutex::default(), cut: Mutex::default(), sprung: Mutex::default() }))
    }
}

impl Switch {
    /// Treats all connections so from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.0.mode.send_replace(mode);
    }

    /// Sets a trap for the next commit that wrote this; for any commit, without it.
    pub(crate) fn arm(&self, trap: Trap, target: Option<Target>) {
        lock(&self.0.traps).push_back((trap, target));
    }

    /// Ends all connections at once.
    pub(crate) fn reset(&self) {
        std::mem::take(&mut *lock(&self.0.cut)).cancel();
    }

    /// Takes all traps away, and passes everything on.
    pub(crate) fn calm(&self) {
        lock(&self.0.traps).clear();
        self.set(Mode::Pass);
    }

    /// How often each trap was sprung.
    pub(crate) fn sprung(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0.sprung).clone()
    }

    /// Springs the first trap that is set for a commit which wrote this.
    pub(super) fn spring(&self, written: Target) -> Option<Trap> {
        let mut traps = lock(&self.0.traps);
        let place = traps.iter().position(|(_, target)| target.is_none_or(|target| target == written))?;
        traps.remove(place).map(|(trap, _)| trap)
    }

    /// Counts a trap that did what it is for.
    pub(super) fn count(&self, trap: Trap) {
        *lock(&self.0.sprung).entry(trap.as_str()).or_default() += 1;
    }

    /// The end of the connections that are there now.
    pub(super) fn cut(&self) -> CancellationToken {
        lock(&self.0.cut).clone()
    }

    /// Whether nothing passes through now, so that the server cannot learn of the end of a process either.
    pub(crate) fn stalls(&self) -> bool {
        *self.0.mode.borrow() == Mode::Stall
    }

    pub(super) fn refuses(&self) -> bool {
        *self.0.mode.borrow() == Mode::Refuse
    }

    /// Waits for as long as what passes through is held up.
    pub(super) async fn pass(&self) {
        let mode = *self.0.mode.borrow();
        match mode {
            Mode::Pass | Mode::Refuse => {}
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            Mode::Stall => {
                // The sender lives as long as this does.
                let mut mode = self.0.mode.subscribe();
                let _passes = mode.wait_for(|mode| *mode != Mode::Stall).await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
