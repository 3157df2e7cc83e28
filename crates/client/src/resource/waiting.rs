//! What executions wait for: events, people, and their time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use turbocat_domain::{
    document::Overlap,
    id::{EventId, ExecutionId, UserId, WorkflowId},
    schedule::Verdict,
};

use super::paged;
use crate::text;

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendEvent {
    /// Its name, as the steps that wait for it have it; not `approval`.
    pub name: String,
    /// What is known about it.
    pub payload: Value,
    /// The only execution that it is meant for; goes with `path`.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    /// The path of the only step that it is meant for; goes with `execution_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Idempotency-Key`: one is made for each event that has none.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

impl SendEvent {
    /// An event of this name, for whoever waits for it, with an empty payload.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), payload: json!({}), execution_id: None, path: None, idempotency_key: None }
    }

    /// The same with this payload.
    #[must_use]
    pub fn with_payload(self, payload: Value) -> Self {
        Self { payload, ..self }
    }

    /// The same with this `Idempotency-Key`.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }
}

/// An event that was taken in: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentEvent {
    /// Its id.
    #[serde(with = "text")]
    pub id: EventId,
    /// How many executions it woke. One that works on other things as well sees it too, and is not counted.
    pub woken: u64,
    /// The executions that it started, of workflows with a trigger for its name.
    #[serde(with = "text::list")]
    pub started: Vec<ExecutionId>,
    /// The workflows that it should have started, and why it did not.
    pub refused: Vec<RefusedStart>,
}

/// A workflow that an event should have started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStart {
    /// Its name.
    pub workflow: String,
    /// Why it was not started.
    pub reason: String,
}

/// A decision that an execution waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The execution.
    #[serde(with = "text")]
    pub execution_id: ExecutionId,
    /// The path of its step that waits.
    pub path: String,
    /// The version of the workflow that it runs.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
    /// The name of that.
    pub workflow: String,
    /// Whose execution it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// Since when it waits.
    pub since: DateTime<Utc>,
    /// `approval` of the step: who is asked, how many, with which form and buttons.
    pub rules: Value,
    /// What was decided so far, oldest first.
    pub decisions: Vec<Value>,
    /// Whether who asks may decide.
    pub may_decide: bool,
}

/// Which decisions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalQuery {
    /// Only of this execution.
    #[serde(default, with = "text::or_null")]
    pub execution_id: Option<ExecutionId>,
    /// The most executions whose decisions are on a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The path of the step that waits.
    pub path: String,
    /// Whether it may go on.
    pub approved: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Which of the buttons was pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button: Option<String>,
    /// What was filled into the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// A decision that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Its id.
    #[serde(with = "text")]
    pub id: EventId,
}

/// A schedule, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The version of the workflow that it starts.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
    /// The name of that.
    pub workflow: String,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// The times.
    pub cron: String,
    /// The zone in which they are meant.
    pub timezone: String,
    /// What happens when the execution before still runs.
    pub overlap: Overlap,
    /// The next time, without jitter.
    pub next_at: Option<DateTime<Utc>>,
    /// The time that waits for the end of the execution before.
    pub queued_for: Option<DateTime<Utc>>,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// What it started last.
    #[serde(default, with = "text::or_null")]
    pub last_execution_id: Option<ExecutionId>,
}

/// What became of a time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The time, without jitter.
    pub scheduled_for: DateTime<Utc>,
    /// What became of it.
    pub verdict: Verdict,
    /// What it started.
    #[serde(default, with = "text::or_null")]
    pub execution_id: Option<ExecutionId>,
}

/// How many ticks are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickQuery {
    /// The most, 1 to 200; 50 without.
    pub limit: Option<u16>,
}

paged!(ApprovalQuery);
