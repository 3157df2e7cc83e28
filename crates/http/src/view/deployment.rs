//! Deployments, their revisions and their health.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_application::Health;
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision},
    id::{AgentId, WorkflowId},
};
use utoipa::ToSchema;

use crate::{
    FieldError,
    refusal::field_errors,
    words::{DeploymentStatusWord, EnvironmentWord, HealthStatusWord},
};

/// A version of a workflow or of an agent, under a name in an environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeploymentView {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Whose it is.
    user_id: String,
    /// The version of a workflow that it runs; null if it runs an agent.
    workflow_id: Option<String>,
    /// The version of an agent that it runs; null if it runs a workflow.
    agent_id: Option<String>,
    /// Where it runs.
    environment: EnvironmentWord,
    /// How it stands.
    status: DeploymentStatusWord,
    /// The number of the revision that holds.
    revision: u32,
    /// How it runs: `input` lies under the input of each request, `timeout_ms` is how long an execution may take.
    config: Value,
    /// What expressions see as `env`. Null in lists.
    environment_vars: Value,
    /// Where it answers who has its key, on this server.
    endpoint_url: Option<String>,
    /// Whether it has a key.
    has_key: bool,
    /// The most memory that a program of an agent may have, in MiB.
    allocated_memory_mb: u32,
    /// Its share of the processor, against that of others; 1024 is an ordinary one.
    allocated_cpu_shares: u32,
    /// When it last began to answer.
    deployed_at: Option<DateTime<Utc>>,
    /// When it was last checked.
    last_health_check_at: Option<DateTime<Utc>>,
    /// What that check found.
    health_status: HealthStatusWord,
    /// How many of its executions have ended.
    total_requests: u32,
    /// How many of them did not complete.
    total_errors: u32,
    /// How long they took on average, in milliseconds.
    avg_response_time_ms: u32,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Deployment> for DeploymentView {
    fn from(deployment: Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            name: deployment.name.to_string(),
            description: deployment.description,
            user_id: deployment.user_id.to_string(),
            workflow_id: deployment.workflow_id.as_ref().map(WorkflowId::to_string),
            agent_id: deployment.agent_id.as_ref().map(AgentId::to_string),
            environment: deployment.environment.into(),
            status: deployment.status.into(),
            revision: deployment.revision,
            config: deployment.config,
            environment_vars: deployment.environment_vars,
            endpoint_url: deployment.endpoint_url,
            has_key: deployment.api_key_hash.is_some(),
            allocated_memory_mb: deployment.allocated_memory_mb,
            allocated_cpu_shares: deployment.allocated_cpu_shares,
            deployed_at: deployment.deployed_at,
            last_health_check_at: deployment.last_health_check_at,
            health_status: deployment.health_status.into(),
            total_requests: deployment.total_requests,
            total_errors: deployment.total_errors,
            avg_response_time_ms: deployment.avg_response_time_ms,
            created_at: deployment.created_at,
            updated_at: deployment.updated_at,
            deleted_at: deployment.deleted_at,
        }
    }
}

impl DeploymentView {
    /// The same, as a list shows it.
    pub(crate) fn in_list(self) -> Self {
        Self { environment_vars: Value::Null, ..self }
    }
}

/// What a deployment ran from some moment on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeploymentRevisionView {
    /// Its number.
    number: u32,
    /// The version of a workflow that it runs; for an agent one that was made for it.
    workflow_id: String,
    /// The version of an agent, if that is what is deployed.
    agent_id: Option<String>,
    /// How it ran.
    config: Value,
    /// What expressions saw as `env`.
    environment_vars: Value,
    /// Who made it.
    user_id: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<DeploymentRevision> for DeploymentRevisionView {
    fn from(revision: DeploymentRevision) -> Self {
        Self {
            number: revision.number,
            workflow_id: revision.workflow_id.to_string(),
            agent_id: revision.agent_id.as_ref().map(AgentId::to_string),
            config: revision.config,
            environment_vars: revision.environment_vars,
            user_id: revision.user_id.to_string(),
            created_at: revision.created_at,
        }
    }
}

/// What a look at a deployment found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeploymentHealthView {
    /// What it comes to.
    status: HealthStatusWord,
    /// Why it is not better.
    problems: Vec<FieldError>,
    /// When it was looked.
    checked_at: DateTime<Utc>,
}

impl From<Health> for DeploymentHealthView {
    fn from(health: Health) -> Self {
        Self { status: health.status.into(), problems: field_errors(&health.problems), checked_at: health.checked_at }
    }
}
