//! How a child ended, and what that means for the step.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

use nix::sys::signal::Signal;
use serde_json::{Value, value::RawValue};
use tokio::io::{AsyncRead, AsyncReadExt};
use turbocat_domain::{limits, step_run::StepError};

use super::Budget;
use crate::child::Failure;

/// How a child ended, as far as its output tells.
#[derive(Debug)]
pub(super) enum Ending {
    /// It answered.
    Result(Box<RawValue>),
    /// It said why there is no answer.
    Failed(Failure),
    /// Its output ended without a last message.
    Silent,
    /// It wrote more than it may.
    TooLarge,
    /// It wrote what is no message.
    Garbage(String),
    /// It took too long.
    Deadline,
}

impl Ending {
    /// The answer of the step, or its error.
    pub(super) fn into_result(
        self,
        status: io::Result<ExitStatus>,
        errors: &StandardError,
        budget: Budget,
    ) -> Result<Value, StepError> {
        match self {
            Self::Result(json) => serde_json::from_str(json.get())
                .map_err(|error| StepError::permanent("invalid_output", format!("the answer cannot be read: {error}"))),
            // The deadline is the only one of the child's own verdicts that another attempt may change.
            Self::Failed(failure) if failure.code == "timeout" => Err(StepError::transient("timeout", failure.message)),
            Self::Failed(failure) => Err(StepError::permanent(failure.code, failure.message)),
            Self::TooLarge => Err(StepError::permanent(
                "output_too_large",
                format!("the program wrote more than {} bytes", limits::STEP_OUTPUT_BYTES_MAX),
            )),
            Self::Garbage(error) => Err(StepError::permanent("crashed", format!("the child wrote garbage: {error}"))),
            Self::Deadline => Err(timeout(budget)),
            Self::Silent => Err(crash(status, errors, budget)),
        }
    }
}

fn timeout(budget: Budget) -> StepError {
    StepError::transient("timeout", format!("the program did not end within {} ms", budget.timeout_ms))
}

fn crash(status: io::Result<ExitStatus>, errors: &StandardError, budget: Budget) -> StepError {
    let status = match status {
        Ok(status) => status,
        Err(error) => return StepError::transient("crashed", format!("the child process was lost: {error}")),
    };
    let said = errors.text();
    if said.contains("memory allocation of") || said.contains("MemoryError") {
        let message = format!("the program needs more than its {} MiB of memory", budget.memory_mb);
        return StepError::permanent("out_of_memory", message);
    }
    if said.contains("overflowed its stack") {
        return StepError::permanent("crashed", "the program recursed too deeply");
    }
    match status.signal().and_then(|signal| Signal::try_from(signal).ok()) {
        Some(Signal::SIGXCPU) => timeout(budget),
        Some(Signal::SIGKILL) => {
            let message = "the child process was killed from outside; the machine may have run out of memory";
            StepError::transient("crashed", message)
        }
        _ => {
            let is_word = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
            let last = said.lines().rev().find(is_word).unwrap_or("it said nothing");
            StepError::permanent("crashed", format!("the child process ended without an answer ({status}): {last}"))
        }
    }
}

/// The last of what a child wrote to its standard error: the runtime's own last words.
#[derive(Debug, Default)]
pub(super) struct StandardError {
    bytes: Vec<u8>,
}

impl StandardError {
    const KEPT: usize = 4096;

    /// Takes everything, and keeps the end of it.
    pub(super) async fn listen(&mut self, stderr: Option<impl AsyncRead + Unpin>) {
        let Some(mut stderr) = stderr else { return };
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
            self.bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
            let surplus = self.bytes.len().saturating_sub(Self::KEPT);
            self.bytes.drain(..surplus);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
