//! Executions, what their steps have recorded, and their logs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{
    execution::{ExecutionStatus, TriggerType},
    execution_log::{LogLevel, StepStatus},
    id::{AgentId, ExecutionId, ExecutionLogId, UserId, WorkflowId},
};

use super::paged;
use crate::text;

/// Why a step failed; the form of [`Step::error`].
pub use turbocat_domain::step_run::StepError;

/// An execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    #[serde(with = "text")]
    pub id: ExecutionId,
    /// The version of the workflow that it runs.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// How it stands.
    pub status: ExecutionStatus,
    /// How it was started.
    pub trigger_type: TriggerType,
    /// What started it.
    pub trigger_data: Value,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u32>,
    /// Its input. Null in lists and in streams.
    #[serde(default)]
    pub input: Value,
    /// Its output. Null in lists, and until it completed.
    pub output: Value,
    /// Steps that completed.
    pub steps_completed: u32,
    /// Steps that failed.
    pub steps_failed: u32,
    /// Steps of the workflow.
    pub steps_total: u32,
    /// Why it did not complete, for a program.
    pub error_code: Option<String>,
    /// Why it did not complete, for a person.
    pub error_message: Option<String>,
    /// The path of the step that failed first, if it did not complete for one.
    pub error_path: Option<String>,
    /// The execution that it is a child of.
    #[serde(default, with = "text::or_null")]
    pub parent_id: Option<ExecutionId>,
    /// The path of the step of that execution that started it.
    pub parent_path: Option<String>,
    /// How many executions are above it.
    pub depth: u16,
    /// Whether it is to be cancelled.
    pub cancel_requested: bool,
    /// Since when it is paused, if it is: it begins nothing until it is resumed.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused, if who asked for it said so.
    pub pause_reason: Option<String>,
    /// When it times out.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The address of the step in the run: `fetch`, `collect[3].fetch`.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// Its place in the order of what happened.
    pub seq: u32,
    /// How it stands.
    pub status: StepStatus,
    /// Its output, if it completed.
    pub output: Value,
    /// Why it failed, in the form of a [`StepError`]; null if it did not.
    pub error: Value,
    /// Why it was skipped.
    pub skip_reason: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The version of the agent that ran.
    #[serde(default, with = "text::or_null")]
    pub agent_id: Option<AgentId>,
}

impl Step {
    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<StepError> {
        // Null is none.
        StepError::deserialize(&self.error).ok()
    }
}

/// A part of a step: a turn of a language model, a call of a tool, or which tools there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its place in the order of what was recorded.
    pub seq: u64,
    /// The path of the step.
    pub path: String,
    /// Its name in the step: `turn.3`, `call.3.1`.
    pub key: String,
    /// `turn`, `call` or `tools`.
    pub kind: String,
    /// `done`, or `failed`: a tool failed, which the model was told.
    pub state: String,
    /// Who answered the turn.
    pub provider: Option<String>,
    /// Which model did.
    pub model: Option<String>,
    /// Which tool was called.
    pub tool: Option<String>,
    /// Why it failed, for a program.
    pub error_code: Option<String>,
    /// What the turn read, as the provider counts.
    pub input_tokens: Option<u64>,
    /// What the turn wrote.
    pub output_tokens: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its id.
    #[serde(with = "text")]
    pub id: ExecutionLogId,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
    /// What else is known.
    pub metadata: Value,
    /// The key of the step that it is about.
    pub step_key: Option<String>,
    /// How that step stands.
    pub step_status: Option<StepStatus>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// What became of a request to cancel, pause or resume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The execution.
    #[serde(with = "text")]
    pub id: ExecutionId,
    /// `requested`: it will be done soon; `ended`: the execution had ended before.
    pub outcome: String,
}

/// How an execution goes on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExecutionEvent {
    /// An attempt of a step runs or has ended. Outputs are in it.
    Step(Step),
    /// A line was logged.
    Log(LogLine),
    /// Its status has changed. The last event of each stream is the end.
    Execution(Box<Execution>),
}

/// Which executions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionQuery {
    /// Only of this version of a workflow.
    #[serde(default, with = "text::or_null")]
    pub workflow_id: Option<WorkflowId>,
    /// Only in this status.
    pub status: Option<ExecutionStatus>,
    /// Only the children of this execution.
    #[serde(default, with = "text::or_null")]
    pub parent_id: Option<ExecutionId>,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// Which lines of a log are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// Only this level and those above it.
    pub level: Option<LogLevel>,
    /// Only of the step with this key.
    pub step_key: Option<String>,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// Which page of a list is asked for that has no filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(ExecutionQuery, LogQuery, PageQuery);
