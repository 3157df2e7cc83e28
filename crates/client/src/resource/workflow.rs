//! Workflows, and their steps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{
    id::{AgentId, UserId, WorkflowId, WorkflowStepId},
    workflow::WorkflowStatus,
    workflow_step::StepType,
};

use super::paged;
use crate::text;

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its id.
    #[serde(with = "text")]
    pub id: WorkflowId,
    /// What it is called; versions share it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// Where it is in its life.
    pub status: WorkflowStatus,
    /// The number of the version.
    pub version: u32,
    /// The version that it came from.
    #[serde(default, with = "text::or_null")]
    pub parent_id: Option<WorkflowId>,
    /// The document. Null in lists.
    pub definition: Value,
    /// What else than people starts it.
    pub trigger_config: Value,
    /// Whether its schedule is on.
    pub schedule_enabled: bool,
    /// When its schedule fires.
    pub schedule_cron: Option<String>,
    /// The zone in which its schedule is meant.
    pub schedule_timezone: String,
    /// How often it ran.
    pub total_executions: u32,
    /// How often it completed.
    pub successful_executions: u32,
    /// How often it did not.
    pub failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    pub avg_execution_time_ms: u32,
    /// When an execution last ended.
    pub last_execution_at: Option<DateTime<Utc>>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowStep {
    /// Its id.
    #[serde(with = "text")]
    pub id: WorkflowStepId,
    /// The workflow.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
    /// The version of the agent that it runs.
    #[serde(default, with = "text::or_null")]
    pub agent_id: Option<AgentId>,
    /// Its key in the workflow.
    pub step_key: String,
    /// What it is called.
    pub step_name: String,
    /// What it does.
    pub step_type: StepType,
    /// Its place in the document.
    pub position: u32,
    /// How it does that.
    pub config: Value,
    /// Its inputs.
    pub inputs: Value,
    /// Its outputs.
    pub outputs: Value,
    /// The steps that it waits for.
    pub depends_on: Vec<String>,
    /// How often it is tried again.
    pub retry_count: u32,
    /// The pause before the first retry, in milliseconds.
    pub retry_delay_ms: u32,
    /// The time of an attempt, in milliseconds.
    pub timeout_ms: u32,
    /// What a failure means: `fail`, `continue`, `retry`.
    pub on_error: String,
}

/// Which workflows are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowQuery {
    /// Only versions of this name.
    pub name: Option<String>,
    /// Only this status.
    pub status: Option<WorkflowStatus>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those in whose name, description or tags all these words are found, whatever their case.
    pub search: Option<String>,
    /// With what is public and somebody else's.
    pub public: bool,
    /// With what is deleted and one's own.
    pub deleted: bool,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(WorkflowQuery);
