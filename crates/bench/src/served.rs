//! A server of Turbocat, started as anybody starts one.

use std::{net::TcpListener, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    client::{Client, Request},
    server::Database,
};

/// A running `turbocat up`. It ends with this value.
pub(crate) struct Served {
    process: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// A key of the administrator's, without a limit that counts.
    pub(crate) key: String,
}

impl Served {
    /// Starts a server of a database, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it does not start, or no key can be made.
    pub(crate) async fn start(database: &Database) -> anyhow::Result<Self> {
        let key = make_key(database).await?;
        // Nobody else takes it in the moment between.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = turbocat(database)?;
        command.args(["up", "--listen", &address]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("the server does not start")?;
        let served = Self { process, address, key };
        served.until_ready().await?;
        Ok(served)
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(30);
        const PAUSE: Duration = Duration::from_millis(20);
        let (deadline, ready) = (Instant::now() + PATIENCE, Request::new("GET", "/ready", None, None));
        loop {
            if let Ok(mut client) = Client::connect(&self.address).await
                && matches!(client.send(&ready).await, Ok(200))
            {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the server is not ready after {PATIENCE:?}");
            sleep(PAUSE).await;
        }
    }

    /// Ends it at once.
    ///
    /// # Errors
    ///
    /// If it is gone already.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("the server ended by itself")
    }
}

async fn make_key(database: &Database) -> anyhow::Result<String> {
    let mut command = turbocat(database)?;
    command.args(["keys", "create", "--name", "bench", "--scope", "*", "--rate-limit-per-minute", "6000000"]);
    let output = command.output().await?;
    ensure!(output.status.success(), "no key can be made: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// This program, on a database of the bench.
fn turbocat(database: &Database) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    // Whether the database is safe is told with what is measured, as in the workloads without a server.
    command.arg("--allow-unsafe-database").env("DATABASE_URL", &database.url);
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}
