//! The types of agents, as they are published: what each is for, and the JSON Schema of its config.
//!
//! A schema says the form of a config, for editors and for programs that write one. What publishing checks is more:
//! programs are parsed, expressions too, and what is named is looked for.

use turbocat_domain::agent::AgentType;

/// A type of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentTypeInfo {
    /// The type.
    pub kind: AgentType,
    /// What it does.
    pub description: &'static str,
    /// The JSON Schema of its config, as text.
    pub config_schema: &'static str,
}

const ALL: [AgentTypeInfo; 5] = [
    AgentTypeInfo {
        kind: AgentType::Code,
        description: "Runs a program in JavaScript or Python.",
        config_schema: include_str!("../../../docs/schemas/agent-code.json"),
    },
    AgentTypeInfo {
        kind: AgentType::Api,
        description: "Calls an HTTP API.",
        config_schema: include_str!("../../../docs/schemas/agent-api.json"),
    },
    AgentTypeInfo {
        kind: AgentType::Llm,
        description: "Asks a language model, which may call tools.",
        config_schema: include_str!("../../../docs/schemas/agent-llm.json"),
    },
    AgentTypeInfo {
        kind: AgentType::Data,
        description: "Transforms data with jq, or queries tables with SQL.",
        config_schema: include_str!("../../../docs/schemas/agent-data.json"),
    },
    AgentTypeInfo {
        kind: AgentType::Workflow,
        description: "Runs another workflow.",
        config_schema: include_str!("../../../docs/schemas/agent-workflow.json"),
    },
];

/// All types of agents.
#[must_use]
pub const fn agent_types() -> &'static [AgentTypeInfo] {
    &ALL
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_type_has_a_schema_that_says_what_it_is() {
        let kinds: Vec<AgentType> = agent_types().iter().map(|one| one.kind).collect();
        let known = [AgentType::Code, AgentType::Api, AgentType::Llm, AgentType::Data, AgentType::Workflow];
        assert_eq!(kinds, known);
        for one in agent_types() {
            let schema: Value = serde_json::from_str(one.config_schema).unwrap();
            assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{}", one.kind);
            assert!(schema["title"].is_string() && schema["description"].is_string(), "{}", one.kind);
        }
    }
}
