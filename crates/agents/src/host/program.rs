//! Programs of the operator's that run beside an attempt and speak through their pipes.
//!
//! # Invariants
//!
//! 1. A program, and everything that it started in its process group, is killed when its handle is dropped.
//! 2. It dies with the process that started it, however that ends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, ChildStdout},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use turbocat_domain::{limits, step_run::StepError};

use super::{ChildHost, LAST_WORDS, encode, group::ProcessGroup};
use crate::child::{Limits, ProgramCall, Request, Task};

/// A program that is to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) call: ProgramCall,
    pub(crate) memory_mb: u32,
}

/// How one speaks with a program.
pub(crate) struct ProgramPipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
}

/// A program that runs; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Program {
    _group: ProcessGroup,
    _slot: OwnedSemaphorePermit,
    words: Arc<Mutex<Vec<u8>>>,
    /// Closed when it has nothing more to say.
    listening: watch::Receiver<()>,
}

impl Program {
    /// The last line of what it wrote to its standard error, once that has ended, or a moment has passed.
    pub(crate) async fn last_words(&self) -> Option<String> {
        let mut listening = self.listening.clone();
        // Either way there is nothing better than what was heard by then.
        let _ignored = timeout(LAST_WORDS, listening.changed()).await;
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&words);
        text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    }
}

impl ChildHost {
    /// Starts a program. At most so many run at once; who waits too long for one to end is told so.
    pub(crate) async fn launch(
        &self,
        launch: Launch,
        slots: &Arc<Semaphore>,
    ) -> Result<(Program, ProgramPipes), StepError> {
        let failed = |message: String| StepError::transient("mcp_unavailable", message);
        let request = Request {
            label: String::new(),
            limits: Limits {
                timeout_ms: 0,
                memory_bytes: u64::from(launch.memory_mb) << 20,
                output_bytes: 0,
                parent: std::process::id(),
                floor: Vec::new(),
            },
            task: Task::Program(launch.call),
        };
        let request = encode(&request)?;
        let most = Duration::from_millis(limits::MCP_CONNECT_TIMEOUT_MS);
        let slot = timeout(most, Arc::clone(slots).acquire_owned()).await;
        let busy = || failed(format!("{} programs of MCP servers run already", limits::MCP_PROGRAMS_MAX));
        let slot = slot.map_err(|_| busy())?.map_err(|error| failed(error.to_string()))?;
        let started = |error: std::io::Error| failed(format!("no process could be started: {error}"));
        let mut group = self.warm.take().await.map_err(started)?;
        let (Some(mut stdin), Some(stdout), stderr) = group.take_pipes() else {
            return Err(failed("the process has no pipes".to_owned()));
        };
        stdin.write_all(&request).await.map_err(started)?;
        let words = Arc::new(Mutex::new(Vec::new()));
        // Ends with the program: the pipe does.
        let (heard, listening) = watch::channel(());
        let kept = Arc::clone(&words);
        tokio::spawn(async move {
            listen(stderr, &kept).await;
            drop(heard);
        });
        Ok((Program { _group: group, _slot: slot, words, listening }, ProgramPipes { stdin, stdout }))
    }
}

/// Takes everything, so that the program is not held up, and keeps the end of it.
async fn listen(stderr: Option<impl AsyncRead + Unpin>, words: &Mutex<Vec<u8>>) {
    const KEPT: usize = 4096;
    let Some(mut stderr) = stderr else { return };
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let surplus = words.len().saturating_sub(KEPT);
        words.drain(..surplus);
    }
}
