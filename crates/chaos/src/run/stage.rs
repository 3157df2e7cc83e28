//! The processes and the database of a run, and its acts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turbocat_domain::port::CounterRepository;

use super::{folders::Folders, logs};
use crate::{
    app::App,
    args::ChaosArgs,
    database::Database,
    evidence::Evidence,
    fault::{Disk, Fault, Nemesis, World, without_strace},
    fleet::{Fleet, FleetOptions},
    ledger::Book,
    load::Load,
    program::Program,
    watch::Watch,
};

/// How long everything may take to end after the last fault.
const HEAL_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// How long the workers have to fold the last metrics, before it is done for them.
const FOLD_PATIENCE: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Everything that a run consists of.
pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) load: Load,
    /// The faults that are asked for and can be had.
    pub(super) faults: Vec<Fault>,
    nemesis: Nemesis,
    book: Book,
    app: App,
    disk: Option<Disk>,
    surprises: Mutex<mpsc::UnboundedReceiver<String>>,
    folder: PathBuf,
}

impl Stage {
    /// Starts the database and all processes.
    ///
    /// # Errors
    ///
    /// What does not start.
    pub(super) async fn set(
        args: &ChaosArgs,
        folders: &Folders,
        program: &Program,
        evidence: &mut Evidence,
    ) -> anyhow::Result<Self> {
        let mut faults = args.wanted();
        let time = Duration::from_secs_f64(args.minutes * 60.0);
        let disk = mount((&mut faults, time), folders, evidence).await;
        match Self::build(args, folders, program, disk.as_ref()).await {
            Ok((world, app, book, surprises)) => Ok(Self {
                load: Load::new(Arc::clone(&world)),
                nemesis: Nemesis::new(Arc::clone(&world), &folders.file("faults.txt"))?,
                world,
                faults,
                book,
                app,
                disk,
                surprises: Mutex::new(surprises),
                folder: folders.run.clone(),
            }),
            Err(error) => {
                if let Some(disk) = disk {
                    disk.unmount().await;
                }
                Err(error)
            }
        }
    }

    async fn build(
        args: &ChaosArgs,
        folders: &Folders,
        program: &Program,
        disk: Option<&Disk>,
    ) -> anyhow::Result<(Arc<World>, App, Book, mpsc::UnboundedReceiver<String>)> {
        let tasks = TaskTracker::new();
        let database = Database::open(disk.map_or_else(|| folders.file("pg"), Disk::root)).await?;
        let app = App::prepare(database.url(), program).await?;
        let book = Book::open(&folders.sockets.join("ledger"), &folders.file("ledger.jsonl"), &tasks)?;
        let options = FleetOptions {
            workers: args.workers.into(),
            acceptors: args.acceptors.into(),
            seed: args.seed,
            plant: args.planted(),
            folder: &folders.run,
            sockets: &folders.sockets,
        };
        let (say, surprises) = mpsc::unbounded_channel();
        let fleet = Fleet::start(&options, &database, &tasks, say).await?;
        let watch = Watch::new(database.pool.clone(), tasks);
        let world = Arc::new(World { fleet, database, watch, ballast: disk.map(Disk::ballast) });
        Ok((world, app, book, surprises))
    }

    /// Injects faults until the time is over, or somebody presses Ctrl-C.
    ///
    /// # Errors
    ///
    /// If a process ended by itself, or the database did not come back.
    pub(super) async fn rage(&self, seed: u64, until: Instant, evidence: &mut Evidence) -> anyhow::Result<()> {
        let raging = self.nemesis.rage(&self.faults, seed, until);
        tokio::pin!(raging);
        let mut surprises = self.surprises.lock().await;
        let mut result = Ok(());
        let raged = loop {
            tokio::select! {
                raged = &mut raging => break raged,
                () = interrupted(evidence.is_interrupted) => {
                    evidence.is_interrupted = true;
                    self.nemesis.stop();
                }
                Some(surprise) = surprises.recv() => {
                    result = Err(anyhow::anyhow!("{surprise}, {}", logs(&self.folder)));
                    self.nemesis.stop();
                }
            }
        };
        raged.and(result)
    }

    /// Waits until everything that was accepted has ended, with all that it started.
    pub(super) async fn heal(&self, evidence: &mut Evidence) {
        let began = Instant::now();
        while began.elapsed() < HEAL_LIMIT {
            if self.load.is_settled() && self.count("executions", "status IN ('pending', 'running')").await == Some(0) {
                evidence.healed_ms = u64::try_from(began.elapsed().as_millis()).ok();
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets the metrics be folded, ends all processes in order, and writes down what was seen.
    ///
    /// # Errors
    ///
    /// If the evidence is not complete.
    pub(super) async fn finish(&self, evidence: &mut Evidence) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.count("counter_deltas", "true").await != Some(0) {
            // A worker that was killed folds nothing any more; the others do so within a minute.
            if began.elapsed() > FOLD_PATIENCE {
                self.app.store.fold().await.context("the metrics cannot be folded")?;
            }
            tokio::time::sleep(POLL).await;
        }
        self.load.give_up().await;
        self.world.fleet.drain().await;
        self.world.watch.write(evidence);
        evidence.faults = self.nemesis.injected();
        let ambiguous = ["reply_lost", "commit_lost"].map(|name| evidence.faults.get(name).copied().unwrap_or(0));
        evidence.ambiguous_commits = ambiguous.iter().sum();
        evidence.entries = self.book.entries()?;
        evidence.sent = self.load.sent()?;
        if let Ok(surprise) = self.surprises.lock().await.try_recv() {
            anyhow::bail!("{surprise}, {}", logs(&self.folder));
        }
        Ok(())
    }

    /// Says now and then how it goes.
    pub(super) async fn tell(&self, end: &CancellationToken) {
        let began = Instant::now();
        loop {
            let is_over = tokio::select! {
                () = end.cancelled() => true,
                () = tokio::time::sleep(TELL_EVERY) => false,
            };
            let (accepted, open) = self.load.counts();
            let faults: u64 = self.nemesis.injected().values().sum();
            eprintln!(
                "{:>5} s: {accepted} accepted, {open} under way, {} told, {faults} faults, {} takeovers",
                began.elapsed().as_secs(),
                self.book.len(),
                self.world.watch.takeovers(),
            );
            if is_over {
                return;
            }
        }
    }

    /// Ends everything.
    pub(super) async fn close(self) {
        self.nemesis.stop();
        self.world.fleet.kill().await;
        self.app.store.close().await;
        self.world.database.close().await;
        if let Some(disk) = self.disk {
            disk.unmount().await;
        }
    }

    /// How many rows there are; `None` if the database does not answer.
    async fn count(&self, table: &'static str, condition: &'static str) -> Option<i64> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {condition}"));
        sqlx::query_scalar(sql).fetch_one(&self.world.database.pool).await.ok()
    }
}

/// Ctrl-C, if it did not come already.
async fn interrupted(is_over: bool) {
    if is_over || tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Makes the disk that can be full, if that is wanted and can be had; takes away what cannot.
async fn mount(
    (faults, time): (&mut Vec<Fault>, Duration),
    folders: &Folders,
    evidence: &mut Evidence,
) -> Option<Disk> {
    let mut without = |fault: Fault, reason: String, faults: &mut Vec<Fault>| {
        eprintln!("{fault} cannot be injected here: {reason}");
        faults.retain(|one| *one != fault);
        evidence.unavailable.insert(fault.as_str().to_owned(), reason);
    };
    if faults.contains(&Fault::Eio)
        && let Some(reason) = without_strace().await
    {
        without(Fault::Eio, reason, faults);
    }
    if !faults.contains(&Fault::DiskFull) {
        return None;
    }
    match Disk::mount(&folders.file("disk.img"), &folders.file("disk"), time).await {
        Ok(disk) => Some(disk),
        Err(error) => {
            without(Fault::DiskFull, format!("{error:#}"), faults);
            None
        }
    }
}
