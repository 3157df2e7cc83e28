//! Agents.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{
    agent::{AgentStatus, AgentType},
    id::{AgentId, UserId},
};

use super::paged;
use crate::text;

/// One version of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    #[serde(with = "text")]
    pub id: AgentId,
    /// What it is called; versions share it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: AgentType,
    /// Where it is in its life.
    pub status: AgentStatus,
    /// The number of the version.
    pub version: u32,
    /// The version that it came from.
    #[serde(default, with = "text::or_null")]
    pub parent_id: Option<AgentId>,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// How it does what it does, by type. Null in lists.
    pub config: Value,
    /// What it says it can do.
    pub capabilities: Value,
    /// Inputs that every call has unless the step gives others.
    pub parameters: Value,
    /// The longest execution, in seconds.
    pub max_execution_time: Option<u32>,
    /// The most memory, in MiB.
    pub max_memory_mb: Option<u32>,
    /// The most executions at once.
    pub max_concurrent_executions: Option<u32>,
    /// How often it ran.
    pub total_executions: u32,
    /// How often it succeeded.
    pub successful_executions: u32,
    /// How often it failed.
    pub failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    pub avg_execution_time_ms: u32,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// Whether it is a pattern for others.
    pub is_template: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Which agents are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentQuery {
    /// Only versions of this name.
    pub name: Option<String>,
    /// Only this type.
    #[serde(rename = "type")]
    pub kind: Option<AgentType>,
    /// Only this status.
    pub status: Option<AgentStatus>,
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

paged!(AgentQuery);
