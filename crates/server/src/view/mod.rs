//! How the progress of an execution is shown: for people on a terminal, for people in a pipe, for programs.

mod json;
mod live;
mod plain;
mod text;
mod yaml;

use std::io::{self, IsTerminal};

use serde_json::Value;
use turbocat_client::Execution;
use turbocat_domain::{execution::ExecutionStatus, id::ExecutionId, step_run::StepError};
use turbocat_engine::{StepProgress, StepWait};

use self::{json::JsonView, live::LiveView, plain::PlainView};
pub(crate) use self::{
    text::{Style, brief, duration, failure, harmless, table},
    yaml::yaml,
};
use crate::telemetry;

/// An execution that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The execution.
    pub(crate) id: ExecutionId,
    /// The workflow.
    pub(crate) workflow: String,
}

/// An execution at which nobody looks on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// The execution.
    pub(crate) id: ExecutionId,
    /// Whether a server goes on with it; else it is handed back for whoever comes.
    pub(crate) on_server: bool,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ended {
    /// The execution.
    pub(crate) id: ExecutionId,
    /// In which status.
    pub(crate) status: ExecutionStatus,
    /// With which output.
    pub(crate) output: Value,
    /// Why it did not complete.
    pub(crate) error: Option<StepError>,
    /// What became of its steps.
    pub(crate) steps: Steps,
    /// How long it took, in milliseconds.
    pub(crate) duration_ms: u64,
}

impl From<Execution> for Ended {
    fn from(execution: Execution) -> Self {
        Self {
            id: execution.id,
            status: execution.status,
            error: error_of(&execution),
            output: execution.output,
            steps: Steps {
                completed: execution.steps_completed,
                failed: execution.steps_failed,
                total: execution.steps_total,
            },
            duration_ms: execution.duration_ms.map(u64::from).unwrap_or_default(),
        }
    }
}

/// Why an execution ended otherwise than well; nothing if it has not.
pub(crate) fn error_of(execution: &Execution) -> Option<StepError> {
    if !execution.status.is_terminal() || execution.status == ExecutionStatus::Completed {
        return None;
    }
    let code = execution.error_code.clone().unwrap_or_else(|| execution.status.to_string());
    let message = execution.error_message.clone().unwrap_or_else(|| "the execution did not complete".to_owned());
    Some(StepError { origin: execution.error_path.clone(), ..StepError::permanent(code, message) })
}

/// How many steps a workflow has, and what became of them; the others were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) completed: u32,
    pub(crate) failed: u32,
    pub(crate) total: u32,
}

/// Shows the progress of one execution.
pub(crate) trait View: Send {
    /// The execution was accepted.
    fn accepted(&mut self, accepted: &Accepted);
    /// An attempt of a step has ended, or runs long enough to be worth seeing.
    fn step(&mut self, step: &StepProgress);
    /// A step waits for something.
    fn wait(&mut self, wait: &StepWait);
    /// A moment has passed; what moves is drawn again.
    fn tick(&mut self) {}
    /// The execution has ended.
    fn ended(&mut self, ended: &Ended);
    /// Nobody looks on any more, and the execution goes on.
    fn left(&mut self, left: &Left);
}

/// The view that fits where the output goes.
pub(crate) fn choose(json: bool) -> Box<dyn View> {
    let is_terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if json {
        Box::new(JsonView)
    } else if is_terminal {
        Box::new(LiveView::new(telemetry::wants_colour()))
    } else {
        Box::new(PlainView)
    }
}
