//! Executions of workflows.
//!
//! # Invariants
//!
//! 1. An execution ends once: a terminal status never changes.
//! 2. It points at the version that it was accepted with, for ever.
//! 3. What has ended is not paused.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    id::{DeploymentId, ExecutionId, UserId, WorkflowId},
    limits::PAUSE_REASON_CHARS_MAX,
    port::{FinishedExecution, NewExecution},
    value::{duration_ms, text_enum},
};

text_enum! {
    /// How an execution stands.
    #[derive(Default)]
    pub enum ExecutionStatus: "an execution status" {
        /// It is accepted, and waits for a worker.
        #[default]
        Pending = "pending",
        /// It runs, or waits for something.
        Running = "running",
        /// It ended well.
        Completed = "completed",
        /// A failure was decisive.
        Failed = "failed",
        /// Somebody ended it.
        Cancelled = "cancelled",
        /// It took too long.
        Timeout = "timeout",
    }
}

impl ExecutionStatus {
    /// Whether it has ended, for good.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Timeout)
    }

    /// Whether the next status may follow this one: pending -> running -> an end; what is pending may be ended
    /// before it ran.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Running) || next.is_terminal(),
            Self::Running => next.is_terminal(),
            _ => false,
        }
    }
}

text_enum! {
    /// What started an execution.
    pub enum TriggerType: "a trigger type" {
        /// A person.
        Manual = "manual",
        /// The workflow's schedule.
        Scheduled = "scheduled",
        /// A program.
        Api = "api",
        /// Another system's call.
        Webhook = "webhook",
        /// An event.
        Event = "event",
    }
}

/// What expressions see as `env`, as the data of what started an execution hold it. It was written down when the
/// execution was accepted: a later change of the deployment is none of it.
#[must_use]
pub fn env_of(trigger_data: &Value) -> Option<&Value> {
    trigger_data.get("env")
}

/// What started an execution, without what was written down with it: the variables and the share of its deployment.
#[must_use]
pub fn cause_of(trigger_data: &Value) -> Value {
    let mut cause = trigger_data.clone();
    if let Some(members) = cause.as_object_mut() {
        members.retain(|key, _| !WRITTEN_DOWN.contains(&key.as_str()));
    }
    cause
}

/// What the executions that an execution starts take over from the data of what started it: the variables of its
/// deployment, and what that may use. They are none of the deployment's own requests.
#[must_use]
pub fn inherited_of(trigger_data: &Value) -> Map<String, Value> {
    let found = WRITTEN_DOWN.into_iter().filter_map(|key| trigger_data.get(key).map(|value| (key, value)));
    found.map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

/// The memory that a program of an execution may use, in MiB, if its deployment says so.
#[must_use]
pub fn allocated_memory_mb(trigger_data: &Value) -> Option<u32> {
    trigger_data.get(ALLOCATED)?.get("memory_mb")?.as_u64()?.try_into().ok()
}

/// Where the data of what started an execution say that nobody waits for its end.
pub const DETACHED: &str = "detached";

/// Whether an execution that another one has started goes its own way: nobody waits for its end, and it is not cancelled
/// with what started it.
#[must_use]
pub fn is_detached(trigger_data: &Value) -> bool {
    trigger_data.get(DETACHED).and_then(Value::as_bool).unwrap_or_default()
}

/// Where the data of what started an execution say what it may use.
pub const ALLOCATED: &str = "allocated";

/// What of a deployment is written down when an execution is accepted, and goes on to all that it starts.
const WRITTEN_DOWN: [&str; 2] = ["env", ALLOCATED];

/// The deployment by which an execution was started, as the data of what started it hold it.
#[must_use]
pub fn deployment_of(trigger_data: &Value) -> Option<DeploymentId> {
    trigger_data.get("deployment")?.get("id")?.as_str()?.parse().ok()
}

/// The pause of an execution: it begins nothing until it is resumed. Attempts that run go on to their end, and its time
/// goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Why, if who asked for it said so: up to [`PAUSE_REASON_CHARS_MAX`] characters.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether this may be a reason.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_reason(reason: &str) -> Result<(), String> {
        if reason.is_empty() || reason.contains('\0') {
            return Err("it needs text, without the character NUL".to_owned());
        }
        match reason.chars().nth(PAUSE_REASON_CHARS_MAX) {
            Some(_) => Err(format!("at most {PAUSE_REASON_CHARS_MAX} characters are allowed")),
            None => Ok(()),
        }
    }
}

/// One execution of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The version that it runs.
    pub workflow_id: WorkflowId,
    /// Whose it is.
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
    /// Its input.
    pub input_data: Value,
    /// Its output.
    pub output_data: Value,
    /// Steps that completed.
    pub steps_completed: u32,
    /// Steps that failed.
    pub steps_failed: u32,
    /// Steps of the workflow.
    pub steps_total: u32,
    /// Why it did not complete, for a person.
    pub error_message: Option<String>,
    /// Where it failed.
    pub error_stack: Option<String>,
    /// Why it did not complete, for a program: `timeout`, `http_status`, …
    pub error_code: Option<String>,
    /// The execution and the path of the step that it is a child of.
    pub parent: Option<(ExecutionId, String)>,
    /// 0 without a parent, else one more than the parent's.
    pub depth: u16,
    /// Whether it is to be cancelled.
    pub cancel_requested: bool,
    /// Since when it is paused, if it is.
    pub paused: Option<Pause>,
    /// When it times out.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Execution {
    /// An execution that was accepted now and has not begun. The store that takes it in sets its deadline, counted
    /// from there: how long nobody claims it does not prolong it.
    #[must_use]
    pub fn new(new: NewExecution, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            workflow_id: new.workflow_id,
            user_id: new.user_id,
            status: ExecutionStatus::Pending,
            trigger_type: new.trigger_type,
            trigger_data: new.trigger_data,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            input_data: new.input,
            output_data: json!({}),
            steps_completed: 0,
            steps_failed: 0,
            steps_total: new.steps_total,
            error_message: None,
            error_stack: None,
            error_code: None,
            parent: new.parent,
            depth: new.depth,
            cancel_requested: false,
            paused: None,
            deadline_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Ends it. Returns whether that changed anything: what has ended keeps its end.
    pub fn finish(&mut self, end: &FinishedExecution) -> bool {
        if !end.status.is_terminal() || !self.status.can_become(end.status) {
            return false;
        }
        self.status = end.status;
        self.started_at = Some(end.started_at);
        self.completed_at = Some(end.completed_at);
        self.duration_ms = Some(duration_ms(end.started_at, end.completed_at));
        self.output_data.clone_from(&end.output);
        self.steps_completed = end.steps_completed;
        self.steps_failed = end.steps_failed;
        self.error_code = end.error.as_ref().map(|error| error.code.clone());
        self.error_message = end.error.as_ref().map(|error| error.message.clone());
        self.error_stack = end.error.as_ref().and_then(|error| error.origin.clone());
        self.paused = None;
        self.updated_at = end.completed_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::step_run::StepError;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn pending() -> Execution {
        let new = NewExecution {
            id: ExecutionId::from_uuid(Uuid::from_u128(1)),
            workflow_id: WorkflowId::from_uuid(Uuid::from_u128(2)),
            user_id: UserId::from_uuid(Uuid::from_u128(3)),
            trigger_type: TriggerType::Api,
            trigger_data: json!({}),
            input: json!({"topic": "x"}),
            steps_total: 4,
            timeout_ms: 1_000,
            parent: None,
            depth: 0,
        };
        Execution::new(new, NOW)
    }

    fn end(status: ExecutionStatus) -> FinishedExecution {
        FinishedExecution {
            id: pending().id,
            workflow_id: pending().workflow_id,
            status,
            output: json!({"url": "y"}),
            error: None,
            steps_completed: 4,
            steps_failed: 0,
            started_at: NOW,
            completed_at: NOW + TimeDelta::milliseconds(1_500),
            parent: None,
        }
    }

    #[test]
    fn an_execution_ends_once_and_keeps_its_end() {
        let mut execution = Execution { status: ExecutionStatus::Running, ..pending() };

        assert!(execution.finish(&end(ExecutionStatus::Completed)));
        assert_eq!((execution.status, execution.duration_ms), (ExecutionStatus::Completed, Some(1_500)));
        assert_eq!((&execution.output_data, execution.steps_completed), (&json!({"url": "y"}), 4));

        let ended = execution.clone();
        for status in ExecutionStatus::ALL {
            assert!(!execution.finish(&end(status)));
            assert_eq!(execution, ended);
        }
    }

    #[test]
    fn a_failure_leaves_its_code_its_message_and_its_place() {
        let mut execution = pending();
        let error = StepError { origin: Some("fan.left".to_owned()), ..StepError::permanent("http_status", "404") };

        assert!(execution.finish(&FinishedExecution { error: Some(error), ..end(ExecutionStatus::Failed) }));

        assert_eq!(execution.error_code.as_deref(), Some("http_status"));
        assert_eq!(execution.error_message.as_deref(), Some("404"));
        assert_eq!(execution.error_stack.as_deref(), Some("fan.left"));
    }

    #[test]
    fn what_has_not_ended_is_not_finished() {
        let mut execution = pending();

        assert!(!execution.finish(&end(ExecutionStatus::Running)));
        assert_eq!(execution, pending());
    }

    #[test]
    fn what_was_written_down_of_a_deployment_is_found_and_goes_on_and_is_no_cause() {
        let id = Uuid::from_u128(9);
        let by = json!({ "id": id });
        let data = json!({ "source": "http", "deployment": by, "env": { "A": 1 }, "allocated": { "memory_mb": 64 } });

        assert_eq!(deployment_of(&data), Some(DeploymentId::from_uuid(id)));
        assert_eq!((env_of(&data), allocated_memory_mb(&data)), (Some(&json!({ "A": 1 })), Some(64)));
        let expected = json!({ "env": { "A": 1 }, "allocated": { "memory_mb": 64 } });
        assert_eq!(Value::Object(inherited_of(&data)), expected);
        assert_eq!(cause_of(&data), json!({ "source": "http", "deployment": by }));
        for other in [json!(null), json!({}), json!({ "deployment": { "id": 1 } })] {
            assert_eq!((deployment_of(&other), allocated_memory_mb(&other)), (None, None));
            assert_eq!((env_of(&other), cause_of(&other)), (None, other.clone()));
        }
    }

    #[test]
    fn no_status_follows_an_end() {
        use ExecutionStatus::{Pending, Running};

        for from in ExecutionStatus::ALL {
            for to in ExecutionStatus::ALL {
                let expected = match from {
                    Pending => to != Pending,
                    Running => to.is_terminal(),
                    _ => false,
                };
                assert_eq!(from.can_become(to), expected, "{from} -> {to}");
            }
        }
    }
}
