//! Agents.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::agent::Agent;
use utoipa::ToSchema;

use crate::words::{AgentStatusWord, AgentTypeWord};

/// One version of an agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AgentView {
    /// Its id.
    id: String,
    /// What it is called; versions share it.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// What it does.
    #[serde(rename = "type")]
    kind: AgentTypeWord,
    /// Where it is in its life.
    status: AgentStatusWord,
    /// The number of the version.
    version: u32,
    /// The version that it came from.
    parent_id: Option<String>,
    /// Whose it is.
    user_id: String,
    /// How it does what it does, by type. Null in lists.
    config: Value,
    /// What it says it can do.
    capabilities: Value,
    /// Inputs that every call has unless the step gives others.
    parameters: Value,
    /// The longest execution, in seconds.
    max_execution_time: Option<u32>,
    /// The most memory, in MiB.
    max_memory_mb: Option<u32>,
    /// The most executions at once.
    max_concurrent_executions: Option<u32>,
    /// How often it ran.
    total_executions: u32,
    /// How often it succeeded.
    successful_executions: u32,
    /// How often it failed.
    failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    avg_execution_time_ms: u32,
    /// Words to find it by.
    tags: Vec<String>,
    /// Whether everybody may use it.
    is_public: bool,
    /// Whether it is a pattern for others.
    is_template: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Agent> for AgentView {
    fn from(agent: Agent) -> Self {
        Self {
            id: agent.id.to_string(),
            name: agent.name.to_string(),
            description: agent.description,
            kind: agent.kind.into(),
            status: agent.status.into(),
            version: agent.version.get(),
            parent_id: agent.parent_id.map(|id| id.to_string()),
            user_id: agent.user_id.to_string(),
            config: agent.config,
            capabilities: agent.capabilities,
            parameters: agent.parameters,
            max_execution_time: agent.max_execution_time,
            max_memory_mb: agent.max_memory_mb,
            max_concurrent_executions: agent.max_concurrent_executions,
            total_executions: agent.total_executions,
            successful_executions: agent.successful_executions,
            failed_executions: agent.failed_executions,
            avg_execution_time_ms: agent.avg_execution_time_ms,
            tags: agent.tags.iter().map(ToString::to_string).collect(),
            is_public: agent.is_public,
            is_template: agent.is_template,
            created_at: agent.created_at,
            updated_at: agent.updated_at,
            deleted_at: agent.deleted_at,
        }
    }
}

impl AgentView {
    /// As lists show it: a config may be large.
    pub(crate) fn in_list(self) -> Self {
        Self { config: Value::Null, ..self }
    }
}
