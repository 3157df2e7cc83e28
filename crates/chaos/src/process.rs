//! A process of the chaos as the parent holds it: started, asked, killed, paused, started again.

use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::task::TaskTracker;

use crate::{
    message::{Answer, READY, Reply, Request, Wish},
    worker::{Setup, WORKER_ARGUMENT},
};

/// A process, which lives several times.
pub(crate) struct Process {
    setup: Setup,
    log: PathBuf,
    tasks: TaskTracker,
    life: Mutex<Option<Life>>,
    numbers: AtomicU64,
    /// Whether a fault works on it, so that no other one does.
    is_taken: AtomicBool,
}

/// One life of it.
#[derive(Clone)]
struct Life {
    pid: Pid,
    requests: mpsc::UnboundedSender<Request>,
    open: Open,
    /// Whether it can be asked.
    ready: watch::Receiver<bool>,
    /// Killed by the parent, or asked to end: that it ends is no surprise.
    is_expected: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
}

/// The questions that were not answered yet; `None` when the process is gone.
type Open = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>>;

impl Process {
    /// A process that was not started yet.
    pub(crate) fn new(setup: Setup, log: PathBuf, tasks: TaskTracker) -> Self {
        let (life, numbers, is_taken) = (Mutex::new(None), AtomicU64::new(0), AtomicBool::new(false));
        Self { setup, log, tasks, life, numbers, is_taken }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.setup.name
    }

    /// Starts it. `surprise` is told if it ends and nobody wanted that.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn start(&self, surprise: &mpsc::UnboundedSender<String>) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log).context("its log cannot be written")?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(WORKER_ARGUMENT)
            .arg(serde_json::to_string(&self.setup)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            // Ctrl-C is for the parent alone, which then ends the others in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("the process {} cannot be started", self.name()))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).context("the process has no id")?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("the process has no streams")?;
        let (requests, wanted) = mpsc::unbounded_channel();
        let (say_ready, ready) = watch::channel(false);
        let (say_ended, ended) = watch::channel(false);
        let open: Open = Arc::new(Mutex::new(Some(HashMap::new())));
        let is_expected = Arc::new(AtomicBool::new(false));
        self.tasks.spawn(ask(stdin, wanted));
        self.tasks.spawn(listen(stdout, Arc::clone(&open), say_ready));
        let life = Life { pid: Pid::from_raw(pid), requests, open, ready, is_expected, ended };
        self.tasks.spawn(bury(child, life.clone(), say_ended, (self.name().to_owned(), surprise.clone())));
        *self.lock() = Some(life);
        Ok(())
    }

    /// Waits until it can be asked; whether it can.
    pub(crate) async fn ready(&self, patience: Duration) -> bool {
        let Some(mut life) = self.life() else { return false };
        matches!(tokio::time::timeout(patience, life.ready.wait_for(|ready| *ready)).await, Ok(Ok(_)))
    }

    /// Asks it for something. `Unknown` if it dies before it answers, or takes too long.
    pub(crate) async fn ask(&self, wish: Wish, patience: Duration) -> Answer {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let unknown = |why: &str| Answer::Unknown(format!("{} {why}", self.name()));
        let Some(life) = self.life().filter(|life| *life.ready.borrow()) else { return unknown("is not there") };
        let (answer, answered) = oneshot::channel();
        match lock(&life.open).as_mut() {
            Some(open) => open.insert(number, answer),
            None => return unknown("is gone"),
        };
        if life.requests.send(Request { number, wish }).is_err() {
            return unknown("is gone");
        }
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => unknown("died meanwhile"),
            Err(_) => unknown("does not answer"),
        }
    }

    /// Tells it something that has no answer.
    pub(crate) fn tell(&self, wish: Wish) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        if let Some(life) = self.life() {
            // One that is gone does not have to know.
            let _gone = life.requests.send(Request { number, wish });
        }
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(&self) {
        let Some(mut life) = self.life() else { return };
        life.is_expected.store(true, Ordering::Release);
        self.signal(Signal::SIGKILL);
        // It cannot refuse.
        let _gone = life.ended.wait_for(|ended| *ended).await;
    }

    /// Waits until it has ended after it was drained; kills it if that takes too long.
    pub(crate) async fn drain(&self, patience: Duration) {
        let Some(mut life) = self.life() else { return };
        life.is_expected.store(true, Ordering::Release);
        self.tell(Wish::Drain);
        if tokio::time::timeout(patience, life.ended.wait_for(|ended| *ended)).await.is_err() {
            self.kill().await;
        }
    }

    /// Sends it a signal: to stop, to go on.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(life) = self.life().filter(|life| !*life.ended.borrow()) {
            // One that is gone feels nothing.
            let _gone = kill(life.pid, signal);
        }
    }

    /// Whether nobody else works on it; then the caller does, until it lets go.
    pub(crate) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::AcqRel)
    }

    /// Lets go of it.
    pub(crate) fn let_go(&self) {
        self.is_taken.store(false, Ordering::Release);
    }

    /// Whether a fault works on it.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }

    fn life(&self) -> Option<Life> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Life>> {
        lock(&self.life)
    }
}

/// Writes requests to a process for as long as it reads them.
async fn ask(mut stdin: ChildStdin, mut requests: mpsc::UnboundedReceiver<Request>) {
    while let Some(request) = requests.recv().await {
        let Ok(mut line) = serde_json::to_string(&request) else { continue };
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Hands answers to who asked.
async fn listen(stdout: ChildStdout, open: Open, ready: watch::Sender<bool>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line == READY {
            ready.send_replace(true);
            continue;
        }
        let Ok(Reply { number, answer }) = serde_json::from_str(&line) else {
            tracing::warn!(line, "a process says what nobody understands");
            continue;
        };
        if let Some(asked) = lock(&open).as_mut().and_then(|open| open.remove(&number)) {
            // Who asked may not wait any more.
            let _unheard = asked.send(answer);
        }
    }
}

/// Waits for the end of a process, and tells everybody.
async fn bury(
    mut child: Child,
    life: Life,
    ended: watch::Sender<bool>,
    (name, surprise): (String, mpsc::UnboundedSender<String>),
) {
    let status = child.wait().await;
    // With the list, the ends of the channels go on which the askers wait.
    lock(&life.open).take();
    ended.send_replace(true);
    if !life.is_expected.load(Ordering::Acquire) {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let _nobody_listens = surprise.send(format!("the process {name} ended by itself: {status}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
