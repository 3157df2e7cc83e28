//! Worker processes, as the bench that starts them sees them.

use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    server::Database,
    worker::{Done, Task, WORKER_ARGUMENT},
};

/// A worker process that is ready. It ends with this value.
pub(crate) struct Member {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Member {
    /// Starts a worker on a database, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it does not start, or ends before it is ready.
    pub(crate) async fn start(database: &Database, task: &Task) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORKER_ARGUMENT).arg(serde_json::to_string(task)?).env("DATABASE_URL", &database.url);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("a worker process does not start")?;
        let input = process.stdin.take().context("a worker process has no input")?;
        let output = process.stdout.take().context("a worker process has no output")?;
        let mut member = Self { process, input, output: BufReader::new(output).lines() };
        member.line().await?;
        Ok(member)
    }

    /// The id of the process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Tells it to go on.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub(crate) async fn tell(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n").await.context("a worker process has ended")?;
        Ok(())
    }

    /// Waits until it has measured.
    ///
    /// # Errors
    ///
    /// If it has ended instead.
    pub(crate) async fn measured(&mut self) -> anyhow::Result<()> {
        self.line().await.map(drop)
    }

    /// Has it end, and returns what it has done.
    ///
    /// # Errors
    ///
    /// If it does not say so.
    pub(crate) async fn end(mut self) -> anyhow::Result<Done> {
        self.tell().await?;
        let done = serde_json::from_str(&self.line().await?)?;
        let status = self.process.wait().await?;
        ensure!(status.success(), "a worker process ended with {status}");
        Ok(done)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        self.output.next_line().await?.context("a worker process has ended; what it says is above")
    }
}
