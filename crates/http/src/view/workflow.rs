//! Workflows, and their steps.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::{workflow::Workflow, workflow_step::WorkflowStep};
use utoipa::ToSchema;

use crate::words::{StepTypeWord, WorkflowStatusWord};

/// One version of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WorkflowView {
    /// Its id.
    id: String,
    /// What it is called; versions share it.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Whose it is.
    user_id: String,
    /// Where it is in its life.
    status: WorkflowStatusWord,
    /// The number of the version.
    version: u32,
    /// The version that it came from.
    parent_id: Option<String>,
    /// The document. Null in lists.
    definition: Value,
    /// What else than people starts it.
    trigger_config: Value,
    /// Whether its schedule is on.
    schedule_enabled: bool,
    /// When its schedule fires.
    schedule_cron: Option<String>,
    /// The zone in which its schedule is meant.
    schedule_timezone: String,
    /// How often it ran.
    total_executions: u32,
    /// How often it completed.
    successful_executions: u32,
    /// How often it did not.
    failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    avg_execution_time_ms: u32,
    /// When an execution last ended.
    last_execution_at: Option<DateTime<Utc>>,
    /// Words to find it by.
    tags: Vec<String>,
    /// Whether everybody may use it.
    is_public: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Workflow> for WorkflowView {
    fn from(workflow: Workflow) -> Self {
        Self {
            id: workflow.id.to_string(),
            name: workflow.name.to_string(),
            description: workflow.description,
            user_id: workflow.user_id.to_string(),
            status: workflow.status.into(),
            version: workflow.version.get(),
            parent_id: workflow.parent_id.map(|id| id.to_string()),
            definition: workflow.definition,
            trigger_config: workflow.trigger_config,
            schedule_enabled: workflow.schedule_enabled,
            schedule_cron: workflow.schedule_cron.map(|cron| cron.to_string()),
            schedule_timezone: workflow.schedule_timezone.to_string(),
            total_executions: workflow.total_executions,
            successful_executions: workflow.successful_executions,
            failed_executions: workflow.failed_executions,
            avg_execution_time_ms: workflow.avg_execution_time_ms,
            last_execution_at: workflow.last_execution_at,
            tags: workflow.tags.iter().map(ToString::to_string).collect(),
            is_public: workflow.is_public,
            created_at: workflow.created_at,
            updated_at: workflow.updated_at,
            deleted_at: workflow.deleted_at,
        }
    }
}

impl WorkflowView {
    /// As lists show it: a document may be half a megabyte.
    pub(crate) fn in_list(self) -> Self {
        Self { definition: Value::Null, ..self }
    }
}

/// A step of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WorkflowStepView {
    /// Its id.
    id: String,
    /// The workflow.
    workflow_id: String,
    /// The version of the agent that it runs.
    agent_id: Option<String>,
    /// Its key in the workflow.
    step_key: String,
    /// What it is called.
    step_name: String,
    /// What it does.
    step_type: StepTypeWord,
    /// Its place in the document.
    position: u32,
    /// How it does that.
    config: Value,
    /// Its inputs.
    inputs: Value,
    /// Its outputs.
    outputs: Value,
    /// The steps that it waits for.
    depends_on: Vec<String>,
    /// How often it is tried again.
    retry_count: u32,
    /// The pause before the first retry, in milliseconds.
    retry_delay_ms: u32,
    /// The time of an attempt, in milliseconds.
    timeout_ms: u32,
    /// What a failure means: `fail`, `continue`, `retry`.
    on_error: String,
}

impl From<WorkflowStep> for WorkflowStepView {
    fn from(step: WorkflowStep) -> Self {
        Self {
            id: step.id.to_string(),
            workflow_id: step.workflow_id.to_string(),
            agent_id: step.agent_id.map(|id| id.to_string()),
            step_key: step.step_key.to_string(),
            step_name: step.step_name.to_string(),
            step_type: step.step_type.into(),
            position: step.position,
            config: step.config,
            inputs: step.inputs,
            outputs: step.outputs,
            depends_on: step.depends_on.iter().map(ToString::to_string).collect(),
            retry_count: step.retry_count,
            retry_delay_ms: step.retry_delay_ms,
            timeout_ms: step.timeout_ms,
            on_error: step.on_error.to_string(),
        }
    }
}
