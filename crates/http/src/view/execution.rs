//! Executions, what their steps have recorded, and their logs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use turbocat_domain::{
    execution::Execution,
    execution_log::ExecutionLog,
    port::PartRecord,
    step_run::{StepOutcome, StepRecord},
};
use utoipa::ToSchema;

use crate::words::{ExecutionStatusWord, LogLevelWord, StepStatusWord, TriggerTypeWord};

/// An execution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ExecutionView {
    /// Its id.
    id: String,
    /// The version of the workflow that it runs.
    workflow_id: String,
    /// Whose it is.
    user_id: String,
    /// How it stands.
    status: ExecutionStatusWord,
    /// How it was started.
    trigger_type: TriggerTypeWord,
    /// What started it.
    trigger_data: Value,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    completed_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    duration_ms: Option<u32>,
    /// Its input. Null in lists.
    input: Value,
    /// Its output. Null in lists, and until it completed.
    output: Value,
    /// Steps that completed.
    steps_completed: u32,
    /// Steps that failed.
    steps_failed: u32,
    /// Steps of the workflow.
    steps_total: u32,
    /// Why it did not complete, for a program.
    error_code: Option<String>,
    /// Why it did not complete, for a person.
    error_message: Option<String>,
    /// The path of the step that failed first, if it did not complete for one.
    error_path: Option<String>,
    /// The execution that it is a child of.
    parent_id: Option<String>,
    /// The path of the step of that execution that started it.
    parent_path: Option<String>,
    /// How many executions are above it.
    depth: u16,
    /// Whether it is to be cancelled.
    cancel_requested: bool,
    /// Since when it is paused, if it is: it begins nothing until it is resumed.
    paused_at: Option<DateTime<Utc>>,
    /// Why it is paused, if who asked for it said so.
    pause_reason: Option<String>,
    /// When it times out.
    deadline_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

impl From<Execution> for ExecutionView {
    fn from(execution: Execution) -> Self {
        let (parent_id, parent_path) = execution.parent.unzip();
        let (paused_at, pause_reason) = execution.paused.map(|pause| (pause.at, pause.reason)).unzip();
        Self {
            id: execution.id.to_string(),
            workflow_id: execution.workflow_id.to_string(),
            user_id: execution.user_id.to_string(),
            status: execution.status.into(),
            trigger_type: execution.trigger_type.into(),
            trigger_data: execution.trigger_data,
            started_at: execution.started_at,
            completed_at: execution.completed_at,
            duration_ms: execution.duration_ms,
            input: execution.input_data,
            output: execution.output_data,
            steps_completed: execution.steps_completed,
            steps_failed: execution.steps_failed,
            steps_total: execution.steps_total,
            error_code: execution.error_code,
            error_message: execution.error_message,
            error_path: execution.error_stack,
            parent_id: parent_id.map(|id| id.to_string()),
            parent_path,
            depth: execution.depth,
            cancel_requested: execution.cancel_requested,
            paused_at,
            pause_reason: pause_reason.flatten(),
            deadline_at: execution.deadline_at,
            created_at: execution.created_at,
            updated_at: execution.updated_at,
        }
    }
}

/// An attempt of a step.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StepView {
    /// The address of the step in the run: `fetch`, `collect[3].fetch`.
    path: String,
    /// 1 for the first attempt.
    attempt: u16,
    /// Its place in the order of what happened.
    seq: u32,
    /// How it stands.
    status: StepStatusWord,
    /// Its output, if it completed. Null in streams.
    output: Value,
    /// Why it failed: `code`, `message`, `retryable`.
    error: Value,
    /// Why it was skipped.
    skip_reason: Option<String>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// The version of the agent that ran.
    agent_id: Option<String>,
}

impl From<StepRecord> for StepView {
    fn from(record: StepRecord) -> Self {
        let status = record.outcome.status().into();
        let (output, error, skip_reason) = match record.outcome {
            StepOutcome::Running => (Value::Null, Value::Null, None),
            StepOutcome::Completed(output) => (output, Value::Null, None),
            StepOutcome::Failed(error) => (Value::Null, json!(error), None),
            StepOutcome::Skipped(reason) => (Value::Null, Value::Null, Some(reason.as_str().to_owned())),
        };
        Self {
            path: record.path,
            attempt: record.attempt,
            seq: record.seq,
            status,
            output,
            error,
            skip_reason,
            started_at: record.started_at,
            ended_at: record.ended_at,
            agent_id: record.agent_id.map(|id| id.to_string()),
        }
    }
}

/// A part of a step: a turn of a language model, a call of a tool, or which tools there were.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PartView {
    /// Its place in the order of what was recorded.
    seq: u64,
    /// The path of the step.
    path: String,
    /// Its name in the step: `turn.3`, `call.3.1`.
    key: String,
    /// `turn`, `call` or `tools`.
    kind: &'static str,
    /// `done`, or `failed`: a tool failed, which the model was told.
    state: &'static str,
    /// Who answered the turn.
    provider: Option<String>,
    /// Which model did.
    model: Option<String>,
    /// Which tool was called.
    tool: Option<String>,
    /// Why it failed, for a program.
    error_code: Option<String>,
    /// What the turn read, as the provider counts.
    input_tokens: Option<u64>,
    /// What the turn wrote.
    output_tokens: Option<u64>,
    /// How long it took, in milliseconds.
    duration_ms: Option<u64>,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
}

impl From<PartRecord> for PartView {
    fn from(record: PartRecord) -> Self {
        let PartRecord { seq, path, part, recorded_at } = record;
        let word = |name: &str| part.word(name).map(str::to_owned);
        let (input_tokens, output_tokens) = part.tokens();
        Self {
            seq,
            path,
            kind: part.kind.as_str(),
            state: if part.error_code().is_some() { "failed" } else { "done" },
            provider: word("provider"),
            model: word("model"),
            tool: word("tool"),
            error_code: part.error_code().map(str::to_owned),
            input_tokens,
            output_tokens,
            duration_ms: part.duration_ms(),
            recorded_at,
            key: part.key,
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LogView {
    /// Its id.
    id: String,
    /// How much it matters.
    level: LogLevelWord,
    /// What it says.
    message: String,
    /// What else is known.
    metadata: Value,
    /// The key of the step that it is about.
    step_key: Option<String>,
    /// How that step stands.
    step_status: Option<StepStatusWord>,
    /// When it was written.
    created_at: DateTime<Utc>,
}

impl From<ExecutionLog> for LogView {
    fn from(line: ExecutionLog) -> Self {
        Self {
            id: line.id.to_string(),
            level: line.level.into(),
            message: line.message,
            metadata: line.metadata,
            step_key: line.step_key.map(|key| key.to_string()),
            step_status: line.step_status.map(StepStatusWord),
            created_at: line.created_at,
        }
    }
}
