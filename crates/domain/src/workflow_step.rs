//! Steps of workflows, as they are stored.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::{AgentId, WorkflowId, WorkflowStepId},
    limits,
    value::{Name, StepKey, text_enum},
};

text_enum! {
    /// What a step does.
    pub enum StepType: "a step type" {
        /// Runs an agent.
        Agent = "agent",
        /// Chooses a branch.
        Condition = "condition",
        /// Repeats steps, one round after another.
        Loop = "loop",
        /// Runs steps side by side.
        Parallel = "parallel",
        /// Waits for a time, an event or people.
        Wait = "wait",
    }
}

text_enum! {
    /// What happens after the last attempt of a step failed.
    #[derive(Default)]
    pub enum OnError: "a rule for errors" {
        /// The body that it belongs to fails.
        #[default]
        Fail = "fail",
        /// The step is failed, what depends on it goes on.
        Continue = "continue",
        /// As `fail`; without a number of retries it means three.
        Retry = "retry",
    }
}

text_enum! {
    /// When a step may run, given how its dependencies ended.
    #[derive(Default)]
    pub enum JoinRule: "a join rule" {
        /// All of them completed.
        #[default]
        AllSuccess = "all_success",
        /// All of them ended, however.
        AllDone = "all_done",
        /// One of them completed.
        OneSuccess = "one_success",
        /// None of them failed, and one completed.
        NoneFailed = "none_failed",
    }
}

/// A step of one version of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowStep {
    /// Its id.
    pub id: WorkflowStepId,
    /// The version that it belongs to.
    pub workflow_id: WorkflowId,
    /// The agent that it runs.
    pub agent_id: Option<AgentId>,
    /// What it is called in expressions, unique in the workflow.
    pub step_key: StepKey,
    /// What it is called for people.
    pub step_name: Name,
    /// What it does.
    pub step_type: StepType,
    /// Its place in the document, from 0.
    pub position: u32,
    /// How it does what it does, by type.
    pub config: Value,
    /// What the agent is given.
    pub inputs: Value,
    /// What of the agent's answer is kept.
    pub outputs: Value,
    /// What it waits for.
    pub depends_on: Vec<StepKey>,
    /// Attempts after the first.
    pub retry_count: u32,
    /// The delay before the second attempt, in milliseconds.
    pub retry_delay_ms: u32,
    /// The longest attempt, in milliseconds.
    pub timeout_ms: u32,
    /// What happens after the last attempt failed.
    pub on_error: OnError,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What every new step needs; the rest has defaults: `WorkflowStep { inputs, ..WorkflowStep::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflowStep {
    /// Its id.
    pub id: WorkflowStepId,
    /// The version that it belongs to.
    pub workflow_id: WorkflowId,
    /// Its key, and its name until it gets one.
    pub step_key: StepKey,
    /// What it does.
    pub step_type: StepType,
    /// Its place in the document, from 0.
    pub position: u32,
}

impl WorkflowStep {
    /// A new step that waits for nothing and is not retried.
    #[must_use]
    pub fn new(new: NewWorkflowStep, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            workflow_id: new.workflow_id,
            agent_id: None,
            step_name: new.step_key.clone().into(),
            step_key: new.step_key,
            step_type: new.step_type,
            position: new.position,
            config: json!({}),
            inputs: json!({}),
            outputs: json!({}),
            depends_on: Vec::new(),
            retry_count: 0,
            retry_delay_ms: limits::RETRY_DELAY_MS_DEFAULT,
            timeout_ms: limits::STEP_TIMEOUT_MS_DEFAULT,
            on_error: OnError::default(),
            created_at: now,
            updated_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_new_step_has_the_defaults_of_the_specification() {
        let new = NewWorkflowStep {
            id: WorkflowStepId::from_uuid(Uuid::nil()),
            workflow_id: WorkflowId::from_uuid(Uuid::nil()),
            step_key: StepKey::parse("fetch").unwrap(),
            step_type: StepType::Agent,
            position: 3,
        };

        let step = WorkflowStep::new(new, DateTime::UNIX_EPOCH);

        assert_eq!((step.step_name.as_str(), step.position), ("fetch", 3));
        assert_eq!((step.retry_count, step.retry_delay_ms, step.timeout_ms), (0, 1_000, 30_000));
        assert_eq!((step.on_error, step.depends_on), (OnError::Fail, vec![]));
    }
}
