//! The database of the run: a PostgreSQL of its own, that can be killed and comes back.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::Instant;
use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};

/// How long a server may take to be gone.
const STOP_LIMIT: Duration = Duration::from_secs(90);
/// How long a server may take to come back.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// The server and the way to it that has no faults.
pub(crate) struct Database {
    options: ClusterOptions,
    cluster: Mutex<Option<Cluster>>,
    url: String,
    /// For who looks on.
    pub(crate) pool: PgPool,
}

impl Database {
    /// Makes a cluster in a folder, with fsync, and starts its server.
    ///
    /// # Errors
    ///
    /// If there is no `PostgreSQL`, or it does not start.
    pub(crate) async fn open(root: PathBuf) -> anyhow::Result<Self> {
        let installation = Installation::find()?;
        let options = ClusterOptions { root, installation, durable: true, linger: Duration::ZERO };
        let cluster = start(options.clone()).await?;
        let url = cluster.url(DATABASE);
        let watcher = url.parse::<PgConnectOptions>()?.application_name("turbocat-chaos");
        let pool =
            PgPoolOptions::new().max_connections(6).acquire_timeout(Duration::from_secs(2)).connect_lazy_with(watcher);
        Ok(Self { options, cluster: Mutex::new(Some(cluster)), url, pool })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The socket on which the server listens.
    ///
    /// # Errors
    ///
    /// If its address names none.
    pub(crate) fn socket(&self) -> anyhow::Result<PathBuf> {
        let options = self.url.parse::<PgConnectOptions>()?;
        let folder = options.get_socket().context("the server has no socket")?;
        Ok(folder.join(format!(".s.PGSQL.{}", options.get_port())))
    }

    /// The first process of the server.
    pub(crate) fn server(&self) -> Option<Pid> {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.as_ref().and_then(|cluster| i32::try_from(cluster.server_pid()).ok()).map(Pid::from_raw)
    }

    /// Kills the server as `kill -9` does, and starts it again: it recovers from its log.
    ///
    /// # Errors
    ///
    /// If it does not come back.
    pub(crate) async fn crash(&self) -> anyhow::Result<()> {
        let server = self.server().context("there is no server to kill")?;
        match kill(server, Signal::SIGKILL) {
            // Another fault may have ended it a moment ago.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context("the server cannot be killed"),
        }
        // Until it has ended, its socket still answers.
        while is_running(server) {
            tokio::time::sleep(POLL).await;
        }
        self.revive().await
    }

    /// Starts the server if it does not run, and returns when it answers: one that is going down over a fault is
    /// there for a moment more.
    ///
    /// # Errors
    ///
    /// If it does not come back.
    pub(crate) async fn revive(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let failure = match start(self.options.clone()).await {
                Ok(cluster) => {
                    *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
                    match sqlx::query("SELECT 1").execute(&self.pool).await {
                        Ok(_) => return Ok(()),
                        Err(error) => anyhow::Error::from(error),
                    }
                }
                Err(error) => error,
            };
            if began.elapsed() > START_LIMIT {
                return Err(failure);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the server, and waits until it is gone: then its folder can be removed.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
        let server = self.server();
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(server) = server else { return };
        let gone = async {
            while is_running(server) {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(STOP_LIMIT, gone).await.is_err() {
            tracing::warn!(%server, "the server does not stop");
        }
    }
}

/// Whether a process runs: one that has ended, and that its parent has not asked about yet, does not.
fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
}

/// Opening a cluster blocks, and may fork: neither is for a thread that others wait for.
async fn start(options: ClusterOptions) -> anyhow::Result<Cluster> {
    let opened = tokio::task::spawn_blocking(move || Cluster::open(&options)).await?;
    opened.context("the PostgreSQL of the run does not start")
}
