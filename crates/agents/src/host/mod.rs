//! The parent's side of a child process: starts it, listens to it, and makes sure that nothing of it is left.
//!
//! # Invariants
//!
//! 1. Whatever happens (an answer, the deadline, too much output, a dropped future), the child's process group is
//!    killed and the child is reaped.
//! 2. No more is read of a child than its limits allow.

mod ending;
mod group;
mod program;
mod report;
mod warm;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::ChildStdin,
    sync::Semaphore,
    time::timeout,
};
use turbocat_domain::{execution_log::LogLevel, limits, port::LogSink, step_run::StepError};

use self::{
    ending::{Ending, StandardError},
    group::ProcessGroup,
    warm::Warm,
};
use crate::child::{Level, Limits, Message, Request, Task};

pub(crate) use program::{Launch, Program};
pub use report::{SandboxLayer, sandbox_report};

/// How a child is recognised by the program that it runs.
const ENTRY: &str = "__agent";

/// What a message may have beside the answer in it.
const ENVELOPE_BYTES: usize = 64 << 10;
/// Lines are short and bounded by the child itself; this holds if the child is no longer itself.
const LOG_BYTES_MAX: usize = limits::LOG_BYTES_MAX * 4;
/// Parsing a program is quick, or the program is an attack.
const CHECK_TIMEOUT_MS: u64 = 5_000;
const CHECK_MEMORY_MB: u32 = 128;
/// How long the standard error of a killed child is read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a host is set up with.
#[derive(Debug)]
pub(crate) struct HostOptions {
    /// The program that every child is.
    pub(crate) program: PathBuf,
    /// How many children may run at once.
    pub(crate) children_max: usize,
    /// The layers of the confinement without which nothing is run.
    pub(crate) floor: Vec<String>,
}

/// Starts children and listens to them.
#[derive(Debug)]
pub(crate) struct ChildHost {
    warm: Warm,
    slots: Arc<Semaphore>,
    floor: Vec<String>,
}

/// What an attempt may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) timeout_ms: u64,
    pub(crate) memory_mb: u32,
}

impl Budget {
    fn limits(self, floor: &[String]) -> Limits {
        Limits {
            timeout_ms: self.timeout_ms,
            memory_bytes: u64::from(self.memory_mb) << 20,
            output_bytes: u64::try_from(limits::STEP_OUTPUT_BYTES_MAX).unwrap_or(u64::MAX),
            parent: std::process::id(),
            floor: floor.to_vec(),
        }
    }
}

/// What a child is to do.
#[derive(Debug)]
pub(crate) struct Job {
    /// What the list of processes shows.
    pub(crate) label: String,
    pub(crate) task: Task,
    pub(crate) budget: Budget,
}

impl ChildHost {
    /// A host that has no children yet.
    pub(crate) fn new(options: HostOptions) -> std::io::Result<Self> {
        let HostOptions { program, children_max, floor } = options;
        let children_max = children_max.max(1);
        Ok(Self { warm: Warm::new(program, children_max)?, slots: Arc::new(Semaphore::new(children_max)), floor })
    }

    /// Does a job in a child of its own.
    pub(crate) async fn run(&self, job: Job, log: &dyn LogSink) -> Result<Value, StepError> {
        let Job { label, task, budget } = job;
        let request = encode(&Request { label, task, limits: budget.limits(&self.floor) })?;
        // Closed only when the host is gone, and then nobody calls it.
        let _slot = self.slots.acquire().await.map_err(|error| StepError::transient("crashed", error.to_string()))?;
        let mut group =
            self.warm.take().await.map_err(|error| {
                StepError::transient("crashed", format!("no child process could be started: {error}"))
            })?;

        let mut errors = StandardError::default();
        let ending = converse(&mut group, request, budget, (log, &mut errors)).await;
        let status = group.end().await;
        ending.into_result(status, &errors, budget)
    }

    /// Parses a program in a child; the message says what is wrong with it.
    pub(crate) async fn check(&self, task: Task) -> Result<(), StepError> {
        let budget = Budget { timeout_ms: CHECK_TIMEOUT_MS, memory_mb: CHECK_MEMORY_MB };
        self.run(Job { label: "check".to_owned(), task, budget }, &Silent).await.map(drop)
    }
}

/// Nothing is printed while a program is only parsed.
struct Silent;

impl LogSink for Silent {
    fn log(&self, _level: LogLevel, _message: &str) {}
}

fn encode(request: &Request) -> Result<Vec<u8>, StepError> {
    let broken = |message: String| StepError::permanent("invalid_input", message);
    let body = serde_json::to_vec(request).map_err(|error| broken(error.to_string()))?;
    let length = u32::try_from(body.len()).map_err(|_| broken("the inputs are larger than 4 GiB".to_owned()))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Sends the request and listens until the answer, the end of the output, or the deadline.
async fn converse(
    group: &mut ProcessGroup,
    request: Vec<u8>,
    budget: Budget,
    (log, errors): (&dyn LogSink, &mut StandardError),
) -> Ending {
    let (stdin, stdout, stderr) = group.take_pipes();
    let deadline = Duration::from_millis(budget.timeout_ms);
    let (write, read, listen) = (write(stdin, request), read(stdout, log), errors.listen(stderr));
    tokio::pin!(write, read, listen);
    let mut heard = false;
    let conversation = async {
        loop {
            // Neither a child that does not read nor one that fills its standard error holds up the others.
            tokio::select! {
                ending = &mut read => break ending,
                never = &mut write => match never {},
                () = &mut listen, if !heard => heard = true,
            }
        }
    };
    let ending = timeout(deadline, conversation).await.unwrap_or(Ending::Deadline);
    group.kill();
    if !heard {
        // The dead cannot hold the pipe open; what they said is still in it.
        let _ignored = timeout(LAST_WORDS, listen).await;
    }
    ending
}

async fn write(stdin: Option<ChildStdin>, request: Vec<u8>) -> std::convert::Infallible {
    if let Some(mut stdin) = stdin {
        // A child that is gone shows in its output.
        let _ignored = stdin.write_all(&request).await;
    }
    std::future::pending().await
}

async fn read(stdout: Option<impl AsyncRead + Unpin>, log: &dyn LogSink) -> Ending {
    let Some(mut stdout) = stdout else { return Ending::Silent };
    let mut logged = 0_usize;
    loop {
        let length = match stdout.read_u32_le().await.map(usize::try_from) {
            Ok(Ok(length)) if length <= limits::STEP_OUTPUT_BYTES_MAX + ENVELOPE_BYTES => length,
            Ok(_) => return Ending::TooLarge,
            Err(_) => return Ending::Silent,
        };
        let mut body = vec![0; length];
        if stdout.read_exact(&mut body).await.is_err() {
            return Ending::Silent;
        }
        match serde_json::from_slice(&body) {
            Ok(Message::Log { level, text }) => {
                logged = logged.saturating_add(length);
                if logged > LOG_BYTES_MAX {
                    return Ending::TooLarge;
                }
                log.log(to_level(level), &text);
            }
            Ok(Message::Result(value)) => return Ending::Result(value),
            Ok(Message::Failed(failure)) => return Ending::Failed(failure),
            Err(error) => return Ending::Garbage(error.to_string()),
        }
    }
}

const fn to_level(level: Level) -> LogLevel {
    match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}
