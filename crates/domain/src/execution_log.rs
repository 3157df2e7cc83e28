//! The log of an execution: what its steps did, and what its agents wrote.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::{ExecutionId, ExecutionLogId, WorkflowStepId},
    limits,
    value::{StepKey, text_enum},
};

text_enum! {
    /// How much a line matters; later ones matter more.
    #[derive(Default, PartialOrd, Ord)]
    pub enum LogLevel: "a log level" {
        /// For who looks for a mistake.
        Debug = "debug",
        /// What happened.
        #[default]
        Info = "info",
        /// What may become a problem.
        Warn = "warn",
        /// What went wrong.
        Error = "error",
        /// What ended the execution.
        Fatal = "fatal",
    }
}

text_enum! {
    /// How a step stands.
    pub enum StepStatus: "a step status" {
        /// It has not begun.
        Pending = "pending",
        /// It runs, or waits for something.
        Running = "running",
        /// It ended well.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// It was not run, or not to its end.
        Skipped = "skipped",
    }
}

impl StepStatus {
    /// Whether the step has ended, for good.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Skipped)
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionLog {
    /// Its id.
    pub id: ExecutionLogId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// The step that it is about.
    pub workflow_step_id: Option<WorkflowStepId>,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
    /// What else is known.
    pub metadata: Value,
    /// The key of the step that it is about.
    pub step_key: Option<StepKey>,
    /// How that step stands.
    pub step_status: Option<StepStatus>,
    /// When the step began.
    pub step_started_at: Option<DateTime<Utc>>,
    /// When the step ended.
    pub step_completed_at: Option<DateTime<Utc>>,
    /// How long the step took, in milliseconds.
    pub step_duration_ms: Option<u32>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// What every line needs; the rest has defaults: `ExecutionLog { step_key, ..ExecutionLog::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExecutionLog {
    /// Its id.
    pub id: ExecutionLogId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

impl ExecutionLog {
    /// What stands at the end of a line that was cut.
    pub const CUT_MARK: &'static str = " … (cut)";

    /// A new line about the execution as a whole. A message past 8 KiB is cut, and says so; NUL, which cannot be
    /// stored, becomes U+FFFD.
    #[must_use]
    pub fn new(new: NewExecutionLog, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            execution_id: new.execution_id,
            workflow_step_id: None,
            level: new.level,
            message: fit(new.message),
            metadata: json!({}),
            step_key: None,
            step_status: None,
            step_started_at: None,
            step_completed_at: None,
            step_duration_ms: None,
            created_at: now,
        }
    }
}

fn fit(message: String) -> String {
    let mut message = if message.contains('\0') { message.replace('\0', "\u{FFFD}") } else { message };
    if message.len() > limits::LOG_LINE_BYTES_MAX {
        let end = message.floor_char_boundary(limits::LOG_LINE_BYTES_MAX - ExecutionLog::CUT_MARK.len());
        message.truncate(end);
        message.push_str(ExecutionLog::CUT_MARK);
    }
    message
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn message(text: impl Into<String>) -> String {
        let new = NewExecutionLog {
            id: ExecutionLogId::from_uuid(Uuid::nil()),
            execution_id: ExecutionId::from_uuid(Uuid::nil()),
            level: LogLevel::Info,
            message: text.into(),
        };
        ExecutionLog::new(new, DateTime::UNIX_EPOCH).message
    }

    #[test]
    fn levels_are_ordered_by_how_much_they_matter() {
        assert!(LogLevel::ALL.is_sorted());
        assert!(LogLevel::Debug < LogLevel::Fatal);
    }

    #[test]
    fn a_line_is_cut_at_its_limit_between_characters_and_says_so() {
        let longest = "x".repeat(limits::LOG_LINE_BYTES_MAX);
        assert_eq!(message(longest.as_str()), longest);

        for text in [longest + "x", "ä".repeat(limits::LOG_LINE_BYTES_MAX), "\0".repeat(limits::LOG_LINE_BYTES_MAX)] {
            let cut = message(text);
            assert!(cut.len() <= limits::LOG_LINE_BYTES_MAX && cut.len() > limits::LOG_LINE_BYTES_MAX - 20);
            assert!(cut.ends_with(ExecutionLog::CUT_MARK));
        }
    }

    #[test]
    fn a_line_has_no_nul() {
        assert_eq!(message("a\0b"), "a\u{fffd}b");
    }
}
