//! Agents: what the steps of workflows run.
//!
//! # Invariants
//!
//! 1. Only a draft changes its content; what is published is followed by a new version instead.
//! 2. A new version is a draft, starts without metrics, and knows the row that it came from.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::{AgentId, UserId},
    limits,
    value::{Name, Tag, Version, average_ms, publication_status, soft_delete, text_enum},
};

text_enum! {
    /// What an agent does.
    pub enum AgentType: "an agent type" {
        /// Runs code.
        Code = "code",
        /// Calls an HTTP API.
        Api = "api",
        /// Asks a language model.
        Llm = "llm",
        /// Transforms data.
        Data = "data",
        /// Runs another workflow.
        Workflow = "workflow",
    }
}

publication_status!(
    /// Where an agent is in its life.
    AgentStatus, "an agent status"
);

/// One version of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// What it is called; versions share it.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// What it does.
    pub kind: AgentType,
    /// Where it is in its life.
    pub status: AgentStatus,
    /// The number of the version.
    pub version: Version,
    /// The version that it came from.
    pub parent_id: Option<AgentId>,
    /// Whose it is.
    pub user_id: UserId,
    /// How it does what it does, by type.
    pub config: Value,
    /// What it says it can do: a list of words, or an object with `words` and the schemas `input` and `output`.
    pub capabilities: Value,
    /// Inputs that every call has unless the step gives others.
    pub parameters: Value,
    /// The longest execution, in seconds; `None` leaves it to the step.
    pub max_execution_time: Option<u32>,
    /// The most memory, in MiB.
    pub max_memory_mb: Option<u32>,
    /// The most executions at once, over all workers; `None` for any number.
    pub max_concurrent_executions: Option<u32>,
    /// How often it ran.
    pub total_executions: u32,
    /// How often it succeeded.
    pub successful_executions: u32,
    /// How often it failed.
    pub failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    pub avg_execution_time_ms: u32,
    /// The sum of all times, in milliseconds: what the average is made of.
    pub total_execution_time_ms: u64,
    /// Words to find it by.
    pub tags: Vec<Tag>,
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

/// What every new agent needs; the rest has defaults: `Agent { config, ..Agent::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgent {
    /// Its id.
    pub id: AgentId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: Name,
    /// What it does.
    pub kind: AgentType,
}

impl Agent {
    /// The first version of a new agent, a private draft.
    #[must_use]
    pub fn new(new: NewAgent, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            name: new.name,
            description: None,
            kind: new.kind,
            status: AgentStatus::default(),
            version: Version::FIRST,
            parent_id: None,
            user_id: new.user_id,
            config: json!({}),
            capabilities: json!([]),
            parameters: json!({}),
            max_execution_time: Some(limits::AGENT_EXECUTION_TIME_S_DEFAULT),
            max_memory_mb: Some(limits::AGENT_MEMORY_MB_DEFAULT),
            max_concurrent_executions: Some(limits::AGENT_CONCURRENCY_DEFAULT),
            total_executions: 0,
            successful_executions: 0,
            failed_executions: 0,
            avg_execution_time_ms: 0,
            total_execution_time_ms: 0,
            tags: Vec::new(),
            is_public: false,
            is_template: false,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// The version after this one: a draft with the same content, no metrics, and this one as its parent.
    #[must_use]
    pub fn next_version(&self, id: AgentId, now: DateTime<Utc>) -> Self {
        let new = NewAgent { id, user_id: self.user_id, name: self.name.clone(), kind: self.kind };
        Self {
            description: self.description.clone(),
            version: self.version.next(),
            parent_id: Some(self.id),
            config: self.config.clone(),
            capabilities: self.capabilities.clone(),
            parameters: self.parameters.clone(),
            max_execution_time: self.max_execution_time,
            max_memory_mb: self.max_memory_mb,
            max_concurrent_executions: self.max_concurrent_executions,
            tags: self.tags.clone(),
            is_public: self.is_public,
            is_template: self.is_template,
            ..Self::new(new, now)
        }
    }

    /// The JSON Schema of its inputs, if it says one.
    #[must_use]
    pub fn input_schema(&self) -> Option<&Value> {
        self.capabilities.get("input")
    }

    /// The JSON Schema of its answer, if it says one.
    #[must_use]
    pub fn output_schema(&self) -> Option<&Value> {
        self.capabilities.get("output")
    }

    /// What it is given: inputs over its parameters, member by member.
    #[must_use]
    pub fn inputs_over_parameters(&self, inputs: Value) -> Value {
        match (&self.parameters, inputs) {
            (Value::Object(parameters), Value::Object(inputs)) if !parameters.is_empty() => {
                let mut merged = parameters.clone();
                merged.extend(inputs);
                Value::Object(merged)
            }
            (Value::Object(parameters), Value::Null) => Value::Object(parameters.clone()),
            (_, inputs) => inputs,
        }
    }

    /// Whether one of type `workflow` waits for the end of what it starts; the others say nothing of it.
    #[must_use]
    pub fn waits_for_end(&self) -> bool {
        self.config.get("wait").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Whether it is the version that its name stands for.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == AgentStatus::Active && self.deleted_at.is_none()
    }

    /// Whether another user may see and run it.
    #[must_use]
    pub fn is_usable_by(&self, user: UserId) -> bool {
        self.deleted_at.is_none() && (self.user_id == user || self.is_public)
    }

    /// Takes in executions that ended.
    pub fn count(&mut self, successful: u32, failed: u32, time_ms: u64) {
        self.successful_executions = self.successful_executions.saturating_add(successful);
        self.failed_executions = self.failed_executions.saturating_add(failed);
        self.total_executions = self.total_executions.saturating_add(successful).saturating_add(failed);
        self.total_execution_time_ms = self.total_execution_time_ms.saturating_add(time_ms);
        self.avg_execution_time_ms = average_ms(self.total_execution_time_ms, self.total_executions);
    }
}

soft_delete!(Agent);

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::value::SoftDelete as _;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn agent() -> Agent {
        let new = NewAgent {
            id: AgentId::from_uuid(Uuid::from_u128(1)),
            user_id: UserId::from_uuid(Uuid::from_u128(2)),
            name: Name::parse("Scraper").unwrap(),
            kind: AgentType::Code,
        };
        Agent::new(new, NOW)
    }

    #[test]
    fn a_new_agent_has_the_defaults_of_the_specification() {
        let agent = agent();

        assert_eq!((agent.status, agent.version, agent.parent_id), (AgentStatus::Draft, Version::FIRST, None));
        assert_eq!((&agent.config, &agent.capabilities, &agent.parameters), (&json!({}), &json!([]), &json!({})));
        assert_eq!((agent.max_execution_time, agent.max_memory_mb), (Some(300), Some(512)));
        assert_eq!(agent.max_concurrent_executions, Some(1));
    }

    #[test]
    fn the_next_version_keeps_the_content_and_begins_without_a_history() {
        let mut first = Agent {
            status: AgentStatus::Active,
            description: Some("Reads pages".to_owned()),
            config: json!({"code": "x"}),
            max_memory_mb: None,
            tags: vec![Tag::parse("web").unwrap()],
            is_public: true,
            ..agent()
        };
        first.count(2, 1, 900);
        first.delete(NOW);
        let (id, later) = (AgentId::from_uuid(Uuid::from_u128(9)), NOW + TimeDelta::days(1));

        let next = first.next_version(id, later);

        let expected = Agent {
            id,
            status: AgentStatus::Draft,
            version: Version::FIRST.next(),
            parent_id: Some(first.id),
            total_executions: 0,
            successful_executions: 0,
            failed_executions: 0,
            avg_execution_time_ms: 0,
            total_execution_time_ms: 0,
            created_at: later,
            updated_at: later,
            deleted_at: None,
            ..first
        };
        assert_eq!(next, expected);
    }

    #[test]
    fn inputs_stand_above_parameters_member_by_member() {
        let parameters = json!({ "limit": 5, "query": "all" });
        let agent = Agent { parameters: parameters.clone(), ..agent() };

        let given = agent.inputs_over_parameters(json!({ "query": "cats" }));
        assert_eq!(given, json!({ "limit": 5, "query": "cats" }));
        assert_eq!(agent.inputs_over_parameters(Value::Null), parameters);
        assert_eq!(agent.inputs_over_parameters(json!([1])), json!([1]));
    }

    #[test]
    fn what_an_agent_starts_is_waited_for_unless_it_says_otherwise() {
        let waits = |config| Agent { config, ..agent() }.waits_for_end();

        assert!(waits(json!({ "workflow": "report" })));
        assert!(waits(json!({ "workflow": "report", "wait": true })));
        assert!(!waits(json!({ "workflow": "report", "wait": false })));
    }

    #[test]
    fn counts_and_their_average_agree() {
        let mut agent = agent();
        agent.count(1, 0, 100);
        agent.count(1, 1, 301);

        assert_eq!((agent.total_executions, agent.successful_executions, agent.failed_executions), (3, 2, 1));
        assert_eq!((agent.total_execution_time_ms, agent.avg_execution_time_ms), (401, 134));
    }

    #[test]
    fn an_agent_is_for_its_owner_unless_it_is_public_and_for_nobody_when_it_is_deleted() {
        let (mut agent, stranger) = (agent(), UserId::from_uuid(Uuid::from_u128(7)));
        assert!(agent.is_usable_by(agent.user_id) && !agent.is_usable_by(stranger));

        agent.is_public = true;
        assert!(agent.is_usable_by(stranger));

        agent.delete(NOW);
        assert!(!agent.is_usable_by(agent.user_id) && !agent.is_usable_by(stranger));
    }
}
