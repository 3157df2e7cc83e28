//! Deployments: versions of workflows and agents, under names in environments.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{
    deployment::{DeploymentStatus, Environment, HealthStatus},
    id::{AgentId, DeploymentId, UserId, WorkflowId},
};

use super::paged;
use crate::{FieldError, text};

/// A version of a workflow or of an agent, under a name in an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    #[serde(with = "text")]
    pub id: DeploymentId,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// The version of a workflow that it runs; nothing if it runs an agent.
    #[serde(default, with = "text::or_null")]
    pub workflow_id: Option<WorkflowId>,
    /// The version of an agent that it runs; nothing if it runs a workflow.
    #[serde(default, with = "text::or_null")]
    pub agent_id: Option<AgentId>,
    /// Where it runs.
    pub environment: Environment,
    /// How it stands.
    pub status: DeploymentStatus,
    /// The number of the revision that holds.
    pub revision: u32,
    /// How it runs: `input` lies under the input of each request, `timeout_ms` is how long an execution may take.
    pub config: Value,
    /// What expressions see as `env`. Null in lists.
    pub environment_vars: Value,
    /// Where it answers who has its key, on the server.
    pub endpoint_url: Option<String>,
    /// Whether it has a key.
    pub has_key: bool,
    /// The most memory that a program of an agent may have, in MiB.
    pub allocated_memory_mb: u32,
    /// Its share of the processor, against that of others; 1024 is an ordinary one.
    pub allocated_cpu_shares: u32,
    /// When it last began to answer.
    pub deployed_at: Option<DateTime<Utc>>,
    /// When it was last checked, to about a minute.
    pub last_health_check_at: Option<DateTime<Utc>>,
    /// What that check found.
    pub health_status: HealthStatus,
    /// How many of its executions have ended.
    pub total_requests: u32,
    /// How many of them did not complete.
    pub total_errors: u32,
    /// How long they took on average, in milliseconds.
    pub avg_response_time_ms: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What a deployment is to run, one of a workflow and an agent, and how. In a change, what is not there stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// The name of a workflow: the version that is active now is deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// A version of a workflow.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The name of an agent: the version that is active now is deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A version of an agent.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// `input`: what lies under the input of each request; `timeout_ms`: how long an execution may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// What expressions see as `env`: variables by name. A secret is `{"$secret": "NAME"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_vars: Option<Value>,
    /// The most memory that a program of an agent may have, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_memory_mb: Option<u32>,
    /// Its share of the processor, against that of others; 1024 is an ordinary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_cpu_shares: Option<u32>,
}

/// A deployment that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewDeployment {
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it runs; production without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What it runs, and how.
    #[serde(flatten)]
    pub run: Deployed,
    /// The `Idempotency-Key`: with the same key and the same body one deployment is made, for a day. One is made where
    /// there is none.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// What is to be changed of a deployment; what is not there stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeploymentChange {
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for; an empty text takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it runs, and how: each as a whole.
    #[serde(flatten)]
    pub run: Deployed,
}

/// What a deployment is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRequest {
    /// The input; what it does not say is taken from the deployment's `config.input`.
    pub input: Value,
    /// The `Idempotency-Key`, as that of [`StartExecution`](crate::StartExecution).
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// What is to be gone back to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The number of the revision; the one before the latest without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
}

/// The new key of a deployment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentKey {
    /// The key itself. It is shown this once, and is not kept.
    pub key: String,
    /// Where who has it asks.
    pub endpoint_url: Option<String>,
}

impl std::fmt::Debug for DeploymentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeploymentKey").field("endpoint_url", &self.endpoint_url).finish_non_exhaustive()
    }
}

/// What a deployment ran from some moment on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRevision {
    /// Its number.
    pub number: u32,
    /// The version of a workflow that it runs; for an agent one that was made for it.
    #[serde(with = "text")]
    pub workflow_id: WorkflowId,
    /// The version of an agent, if that is what is deployed.
    #[serde(default, with = "text::or_null")]
    pub agent_id: Option<AgentId>,
    /// How it ran.
    pub config: Value,
    /// What expressions saw as `env`.
    pub environment_vars: Value,
    /// Who made it.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What a look at a deployment found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentHealth {
    /// What it comes to.
    pub status: HealthStatus,
    /// Why it is not better.
    pub problems: Vec<FieldError>,
    /// When it was looked.
    pub checked_at: DateTime<Utc>,
}

/// Which deployments are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentQuery {
    /// Only this name.
    pub name: Option<String>,
    /// Only in this environment.
    pub environment: Option<Environment>,
    /// Only in this status.
    pub status: Option<DeploymentStatus>,
    /// Only those of which the last check found this.
    pub health: Option<HealthStatus>,
    /// Only of this version of a workflow.
    #[serde(default, with = "text::or_null")]
    pub workflow_id: Option<WorkflowId>,
    /// Only of this version of an agent.
    #[serde(default, with = "text::or_null")]
    pub agent_id: Option<AgentId>,
    /// Only those in whose name or description all these words are found, whatever their case.
    pub search: Option<String>,
    /// With what is deleted.
    pub deleted: bool,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(DeploymentQuery);
