//! The one who injects faults, one after the other; those that only take time go on beside the next ones.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{kind::Fault, schedule::Schedule};
use crate::{
    database::Database,
    dice::Dice,
    fleet::{Fleet, Member},
    watch::Watch,
};

/// What faults are injected into.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) database: Database,
    pub(crate) watch: Watch,
    /// A file that fills the disk of the server; `None` if it has no disk of its own.
    pub(crate) ballast: Option<PathBuf>,
}

/// Injects faults. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Nemesis {
    pub(super) world: Arc<World>,
    injected: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    /// Faults that go on beside others.
    pub(super) lasting: TaskTracker,
    /// Cancelled when no fault may go on any more.
    pub(super) over: CancellationToken,
    /// What was done when.
    diary: Arc<File>,
    began: Instant,
}

impl Nemesis {
    /// One that writes down in a file what it does.
    ///
    /// # Errors
    ///
    /// If the file cannot be made.
    pub(crate) fn new(world: Arc<World>, diary: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            world,
            injected: Arc::default(),
            lasting: TaskTracker::new(),
            over: CancellationToken::new(),
            diary: Arc::new(File::create(diary).context("the diary of the faults cannot be made")?),
            began: Instant::now(),
        })
    }

    /// Injects faults of these kinds until the time is over. When it returns, none goes on.
    ///
    /// # Errors
    ///
    /// If something that was broken could not be mended, so that the run cannot go on.
    pub(crate) async fn rage(&self, kinds: &[Fault], seed: u64, until: Instant) -> anyhow::Result<()> {
        let mut schedule = Schedule::new(kinds, seed);
        let mut dice = Dice::new(seed, "faults");
        let mut result = Ok(());
        while let Some((pause, fault)) = schedule.next() {
            let at = Instant::now() + pause;
            tokio::select! {
                () = tokio::time::sleep_until(at.min(until)) => {}
                () = self.over.cancelled() => break,
            }
            if at >= until {
                break;
            }
            if at + fault.lasts() > until {
                continue;
            }
            let begun = Instant::now();
            result = self.inject(fault, &mut dice).await;
            self.write_down(fault, begun);
            if result.is_err() {
                break;
            }
        }
        if kinds.is_empty() {
            self.wait(until.saturating_duration_since(Instant::now())).await;
        }
        self.over.cancel();
        self.lasting.close();
        self.lasting.wait().await;
        self.world.fleet.members().for_each(|member| member.proxy.switch.calm());
        result
    }

    /// Ends it before its time.
    pub(crate) fn stop(&self) {
        self.over.cancel();
    }

    /// How often each kind was injected. A trap counts when it is sprung.
    pub(crate) fn injected(&self) -> BTreeMap<String, u64> {
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        let counted = self.injected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sprung = self.world.fleet.members().flat_map(|member| member.proxy.switch.sprung());
        for (name, count) in counted.into_iter().chain(sprung) {
            *all.entry(name.to_owned()).or_default() += count;
        }
        all
    }

    /// Counts a fault that was injected.
    pub(super) fn count(&self, fault: Fault) {
        *self.injected.lock().unwrap_or_else(PoisonError::into_inner).entry(fault.as_str()).or_default() += 1;
    }

    /// Writes down when a fault was injected, and how long that kept this task.
    fn write_down(&self, fault: Fault, begun: Instant) {
        let (at_ms, took_ms) = ((begun - self.began).as_millis(), begun.elapsed().as_millis());
        // It is for people who look for a reason: a line that is missing breaks nothing.
        let _unwritten = writeln!(&*self.diary, "{at_ms} ms: {fault}, {took_ms} ms");
    }

    /// Waits, or until it is all over.
    pub(super) async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.over.cancelled() => {}
        }
    }

    /// A process on which no fault works; the caller's until it is let go. Half of them are left alone, so that
    /// something goes on.
    pub(super) fn take(of: &[Arc<Member>], dice: &mut Dice) -> Option<Arc<Member>> {
        let free: Vec<_> = of.iter().filter(|member| !member.process.is_taken()).collect();
        if of.len() > 1 && free.len() <= of.len() / 2 {
            return None;
        }
        let chosen = dice.pick(&free)?;
        chosen.process.take().then(|| Arc::clone(chosen))
    }

    async fn inject(&self, fault: Fault, dice: &mut Dice) -> anyhow::Result<()> {
        match fault {
            Fault::KillWorker | Fault::KillAcceptor => self.kill_process(fault, dice),
            Fault::Pause => self.pause(dice),
            Fault::KillBackend => self.kill_backend(dice).await,
            Fault::KillPostgres => return self.kill_postgres().await,
            Fault::Pool => self.exhaust_connections(dice),
            Fault::Cut | Fault::ReplyLost | Fault::CommitLost => self.set_traps(fault, dice),
            Fault::Stall | Fault::Slow => self.hold_up(fault, dice),
            Fault::Reset => self.reset(dice),
            Fault::DiskFull => return self.fill_disk(dice).await,
            Fault::Eio => return self.fail_flush().await,
        }
        Ok(())
    }
}
