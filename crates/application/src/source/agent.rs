//! The document of an agent.

use chrono::{DateTime, Utc};
use serde_json::Value;
use turbocat_domain::{
    agent::{Agent, AgentType, NewAgent},
    id::{AgentId, UserId},
    limits,
    problem::Problems,
    value::{Name, Tag},
};

use super::{capabilities::Capabilities, fields::Fields};

/// The keys that an agent's document may have.
const KEYS: [&str; 12] = [
    "kind",
    "name",
    "type",
    "description",
    "config",
    "parameters",
    "capabilities",
    "max_execution_time",
    "max_memory_mb",
    "max_concurrent_executions",
    "tags",
    "public",
];
const EXECUTION_TIME_S_MAX: u32 = 3_600;
const MEMORY_MB_MAX: u32 = 65_536;
const CONCURRENCY_MAX: u32 = 10_000;

/// What an agent's document says. Whether its `config` fits its type is for the agents themselves to check.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentDocument {
    /// What it is called.
    pub name: Name,
    /// What it does.
    pub kind: AgentType,
    /// What it is for.
    pub description: Option<String>,
    /// How it does what it does, by type.
    pub config: Value,
    /// Inputs that every call has unless the step gives others.
    pub parameters: Value,
    /// What it says it can do.
    pub capabilities: Capabilities,
    /// The longest execution, in seconds.
    pub max_execution_time: Option<u32>,
    /// The most memory, in MiB.
    pub max_memory_mb: Option<u32>,
    /// The most executions at once, over all workers.
    pub max_concurrent_executions: Option<u32>,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// Whether everybody may use it.
    pub is_public: bool,
}

impl AgentDocument {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub fn parse(document: &Value) -> Result<Self, Problems> {
        let Value::Object(members) = document else {
            let mut problems = Problems::default();
            problems.add("invalid_type", "", "an agent is written as an object");
            return Err(problems);
        };
        if let Err(error) = limits::DOCUMENT.check(document) {
            let mut problems = Problems::default();
            problems.add(error.code, "", error.to_string());
            return Err(problems);
        }
        let mut fields = Fields::new(members, &KEYS);
        let name = fields.parse("name", true, str::parse::<Name>);
        let kind = fields.parse("type", true, str::parse::<AgentType>);
        let rest = Rest::read(&mut fields);
        match (name, kind, fields.problems.is_empty()) {
            (Some(name), Some(kind), true) => Ok(rest.with(name, kind)),
            _ => Err(fields.problems),
        }
    }

    /// The first version of the agent, published at once.
    pub(crate) fn to_agent(&self, id: AgentId, user_id: UserId, now: DateTime<Utc>) -> Agent {
        let mut agent = Agent::new(NewAgent { id, user_id, name: self.name.clone(), kind: self.kind }, now);
        self.write_to(&mut agent);
        agent
    }

    /// Puts what the document says into an agent. What it leaves open gets the default.
    pub(crate) fn write_to(&self, agent: &mut Agent) {
        agent.name = self.name.clone();
        agent.kind = self.kind;
        agent.description.clone_from(&self.description);
        agent.config = self.config.clone();
        agent.parameters = self.parameters.clone();
        agent.capabilities = self.capabilities.to_json();
        agent.max_execution_time = Some(self.max_execution_time.unwrap_or(limits::AGENT_EXECUTION_TIME_S_DEFAULT));
        agent.max_memory_mb = Some(self.max_memory_mb.unwrap_or(limits::AGENT_MEMORY_MB_DEFAULT));
        agent.max_concurrent_executions =
            Some(self.max_concurrent_executions.unwrap_or(limits::AGENT_CONCURRENCY_DEFAULT));
        agent.tags.clone_from(&self.tags);
        agent.is_public = self.is_public;
    }
}

/// What a document may leave out.
struct Rest {
    description: Option<String>,
    config: Value,
    parameters: Value,
    capabilities: Capabilities,
    max_execution_time: Option<u32>,
    max_memory_mb: Option<u32>,
    max_concurrent_executions: Option<u32>,
    tags: Vec<Tag>,
    is_public: bool,
}

impl Rest {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            description: fields.parse("description", false, description),
            config: fields.object("config"),
            parameters: fields.object("parameters"),
            capabilities: Capabilities::read(fields),
            max_execution_time: fields.number("max_execution_time", 1..=EXECUTION_TIME_S_MAX),
            max_memory_mb: fields.number("max_memory_mb", 16..=MEMORY_MB_MAX),
            max_concurrent_executions: fields.number("max_concurrent_executions", 1..=CONCURRENCY_MAX),
            tags: fields.list("tags", limits::TAGS_MAX, str::parse::<Tag>),
            is_public: fields.flag("public"),
        }
    }

    fn with(self, name: Name, kind: AgentType) -> AgentDocument {
        AgentDocument {
            name,
            kind,
            description: self.description,
            config: self.config,
            parameters: self.parameters,
            capabilities: self.capabilities,
            max_execution_time: self.max_execution_time,
            max_memory_mb: self.max_memory_mb,
            max_concurrent_executions: self.max_concurrent_executions,
            tags: self.tags,
            is_public: self.is_public,
        }
    }
}

fn description(text: &str) -> Result<String, String> {
    match text.chars().nth(limits::DESCRIPTION_CHARS_MAX) {
        Some(_) => Err(format!("at most {} characters are allowed", limits::DESCRIPTION_CHARS_MAX)),
        None => Ok(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_words_or_words_and_schemas() {
        let parse = |capabilities: Value| {
            AgentDocument::parse(&json!({ "name": "a", "type": "code", "capabilities": capabilities }))
        };
        let stored = |capabilities: Value| parse(capabilities).unwrap().capabilities.to_json();

        assert_eq!(stored(json!(["count", "sum"])), json!(["count", "sum"]));
        assert_eq!(stored(json!({ "words": ["count"] })), json!(["count"]));
        let both = json!({ "words": [], "input": { "type": "object" }, "output": { "type": "integer" } });
        assert_eq!(stored(both.clone()), both);

        let problems = parse(json!({ "words": [1], "inputs": {}, "output": "x" })).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(found, ["capabilities.inputs", "capabilities.words[0]", "capabilities.output"]);
        assert_eq!(parse(json!("count")).unwrap_err().iter().next().unwrap().path, "capabilities");
    }

    #[test]
    fn a_document_says_everything_about_an_agent() {
        let document = json!({
            "kind": "agent", "name": "count-lines", "type": "code", "description": " Counts. ",
            "config": { "language": "javascript", "source": "x" }, "parameters": { "limit": 5 },
            "capabilities": ["count"], "max_execution_time": 10, "max_memory_mb": 64,
            "max_concurrent_executions": 4, "tags": ["Demo"], "public": true,
        });

        let agent = AgentDocument::parse(&document).unwrap();

        assert_eq!((agent.name.as_str(), agent.kind), ("count-lines", AgentType::Code));
        assert_eq!(agent.description.as_deref(), Some("Counts."));
        assert_eq!((agent.max_memory_mb, agent.max_concurrent_executions), (Some(64), Some(4)));
        assert_eq!((agent.tags[0].as_str(), agent.is_public), ("demo", true));
    }

    #[test]
    fn all_that_is_wrong_is_reported_at_once() {
        let document = json!({
            "name": "", "type": "codes", "confg": {}, "parameters": [], "max_memory_mb": 1,
            "tags": ["ok", 5, "not ok"], "public": "yes",
        });

        let problems = AgentDocument::parse(&document).unwrap_err();

        let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(
            found,
            [
                ("confg", "unknown_key"),
                ("name", "invalid_value"),
                ("type", "invalid_value"),
                ("parameters", "invalid_type"),
                ("max_memory_mb", "invalid_value"),
                ("tags[1]", "invalid_type"),
                ("tags[2]", "invalid_value"),
                ("public", "invalid_type"),
            ]
        );
    }
}
