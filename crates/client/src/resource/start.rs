//! Starting executions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use turbocat_domain::id::{ExecutionId, WorkflowId};

use super::Execution;
use crate::text;

/// An execution that is wanted: of a workflow by its name, or of one version of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartExecution {
    /// The name of the workflow: its active version is run, one's own before a public one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The version to run, in place of a name.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The input.
    pub input: Value,
    /// The `Idempotency-Key`: starts with the same key and the same body are one start, for a day. One is made for each
    /// start that has none, which makes its own attempts safe and nothing more. [`StartExecutions`] has its own.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

impl StartExecution {
    /// An execution of the active version of a workflow, with an empty input.
    #[must_use]
    pub fn named(workflow: impl Into<String>) -> Self {
        Self { workflow: Some(workflow.into()), workflow_id: None, input: json!({}), idempotency_key: None }
    }

    /// An execution of one version of a workflow, with an empty input.
    #[must_use]
    pub fn version(id: WorkflowId) -> Self {
        Self { workflow: None, workflow_id: Some(id), input: json!({}), idempotency_key: None }
    }

    /// The same with this input.
    #[must_use]
    pub fn with_input(self, input: Value) -> Self {
        Self { input, ..self }
    }

    /// The same with this `Idempotency-Key`: 1 to 255 visible characters of ASCII, such as the number of an order.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }
}

/// Executions that are wanted, all of them or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartExecutions {
    /// The executions, 1 to 1,000; all inputs together may be as large as one.
    pub items: Vec<StartExecution>,
    /// The `Idempotency-Key` of all of them.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// An execution that was accepted: it is durable, and will reach an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id.
    #[serde(with = "text")]
    pub id: ExecutionId,
    /// The version of the workflow that it runs.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
}

/// Executions that were accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkStarted {
    /// One for each that was asked for, in the same order.
    pub items: Vec<Started>,
}

/// How far an execution came while its start was waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Began {
    /// To its end.
    Ended(Box<Execution>),
    /// It goes on.
    Running(Started),
}

impl Began {
    /// The execution.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        match self {
            Self::Ended(execution) => execution.id,
            Self::Running(started) => started.id,
        }
    }
}
