//! All processes of the run, each with its own way to the database.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{
    database::Database,
    message::{Answer, Wish},
    process::Process,
    proxy::Proxy,
    worker::Setup,
};

/// How long a process may take to be there.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long an answer is waited for. Whoever asked asks again, so this must be longer than an outage of the server.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How many executions a process holds at once. One that accepts has room for some of what it accepts: those are born
/// in it, and the others are claimed by whoever has room.
const ACCEPTOR_EXECUTIONS: usize = 10;
const WORKER_EXECUTIONS: usize = 100;
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// A process and its proxy.
pub(crate) struct Member {
    pub(crate) process: Process,
    pub(crate) proxy: Arc<Proxy>,
}

/// How many processes of which kind there are, and what they are told.
pub(crate) struct FleetOptions<'a> {
    pub(crate) workers: usize,
    pub(crate) acceptors: usize,
    pub(crate) seed: u64,
    pub(crate) plant: Option<String>,
    /// Where logs go.
    pub(crate) folder: &'a Path,
    /// Where sockets are: their addresses must be short.
    pub(crate) sockets: &'a Path,
}

/// All processes.
pub(crate) struct Fleet {
    /// Those that only work.
    pub(crate) workers: Vec<Arc<Member>>,
    /// Those that take orders, too.
    pub(crate) acceptors: Vec<Arc<Member>>,
    surprises: mpsc::UnboundedSender<String>,
    turn: AtomicUsize,
}

impl Fleet {
    /// Starts all of them, and waits until they are there.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub(crate) async fn start(
        options: &FleetOptions<'_>,
        database: &Database,
        tasks: &TaskTracker,
        surprises: mpsc::UnboundedSender<String>,
    ) -> anyhow::Result<Self> {
        let make = |kind: &str, count: usize, executions_max: usize| {
            let make = |number| member((format!("{kind}{number}"), executions_max), options, database, tasks);
            (1..=count).map(|number| make(number).map(Arc::new)).collect::<anyhow::Result<Vec<_>>>()
        };
        let workers = make("w", options.workers, WORKER_EXECUTIONS)?;
        let acceptors = make("a", options.acceptors, ACCEPTOR_EXECUTIONS)?;
        let fleet = Self { workers, acceptors, surprises, turn: AtomicUsize::new(0) };
        for member in fleet.members() {
            fleet.begin(member)?;
        }
        for member in fleet.members() {
            if !member.process.ready(START_LIMIT).await {
                anyhow::bail!("the process {} does not get ready, see its log", member.process.name());
            }
        }
        Ok(fleet)
    }

    /// All processes.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.workers.iter().chain(&self.acceptors)
    }

    /// Starts a process (again).
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn begin(&self, member: &Member) -> anyhow::Result<()> {
        member.process.start(&self.surprises)
    }

    /// Asks the acceptor whose turn it is, another one each time.
    pub(crate) async fn ask(&self, wish: Wish) -> Answer {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match self.acceptors.get(turn % self.acceptors.len().max(1)) {
            Some(member) => member.process.ask(wish, ANSWER_LIMIT).await,
            None => Answer::Refused("there is nobody who accepts".to_owned()),
        }
    }

    /// Ends all of them in order.
    pub(crate) async fn drain(&self) {
        join_all(self.members().map(|member| member.process.drain(DRAIN_LIMIT))).await;
    }

    /// Kills all of them.
    pub(crate) async fn kill(&self) {
        join_all(self.members().map(|member| member.process.kill())).await;
    }
}

fn member(
    (name, executions_max): (String, usize),
    options: &FleetOptions<'_>,
    database: &Database,
    tasks: &TaskTracker,
) -> anyhow::Result<Member> {
    let proxy = Proxy::open(&options.sockets.join(&name), database.socket()?, tasks)?;
    let log = options.folder.join(format!("{name}.log"));
    let setup = Setup {
        name,
        url: proxy.url(database.url())?,
        ledger: options.sockets.join("ledger"),
        seed: options.seed,
        executions_max,
        plant: options.plant.clone(),
    };
    Ok(Member { process: Process::new(setup, log, tasks.clone()), proxy: Arc::new(proxy) })
}
