//! The check of agents' configs, as the use cases want it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use turbocat_agents::Agents;
use turbocat_application::AgentConfigValidator;
use turbocat_domain::{agent::AgentType, problem::Problems};

/// Has the agents check their configs, programs included.
#[derive(Debug, Clone)]
pub(crate) struct AgentConfigs(pub(crate) Arc<Agents>);

#[async_trait]
impl AgentConfigValidator for AgentConfigs {
    async fn check(&self, kind: AgentType, config: &Value) -> Result<(), Problems> {
        self.0.check(kind, config).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};
    use turbocat_application::{AgentDocument, agent_types, official_templates};
    use turbocat_domain::{agent::AgentType, port::SchemaValidator as _, template::TemplateType};
    use turbocat_schema::JsonSchemas;

    /// The members that the reader of a type's config knows: those that it names when it is given another.
    fn known(kind: AgentType, config: &Value) -> BTreeSet<String> {
        let mut config = config.clone();
        config["zzzzzzzzzzzzzzzz"] = json!(1);
        let problems = turbocat_agents::validate_config(kind, &config).unwrap_err();
        let unknown = problems.iter().find(|problem| problem.code == "unknown_key").unwrap();
        let (_, names) = unknown.message.split_once("known are ").unwrap();
        names.split(", ").map(str::to_owned).collect()
    }

    fn properties(schema: &Value) -> BTreeSet<String> {
        let parts = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().chain([schema]);
        parts
            .flat_map(|part| part.get("properties").and_then(Value::as_object).into_iter().flatten())
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn schema(kind: AgentType) -> Value {
        let info = agent_types().iter().find(|one| one.kind == kind).unwrap();
        serde_json::from_str(info.config_schema).unwrap()
    }

    #[test]
    fn the_published_schemas_have_the_members_that_configs_have() {
        let some: [(AgentType, &[Value]); 5] = [
            (AgentType::Code, &[json!({})]),
            (AgentType::Api, &[json!({})]),
            (AgentType::Llm, &[json!({})]),
            (AgentType::Data, &[json!({}), json!({ "sql": "SELECT 1" })]),
            (AgentType::Workflow, &[json!({})]),
        ];
        for (kind, configs) in some {
            let known: BTreeSet<String> = configs.iter().flat_map(|config| known(kind, config)).collect();
            assert_eq!(properties(&schema(kind)), known, "{kind}");
        }
    }

    /// Configs, and whether they are right: what publishing says of their form, the published schema says, too.
    fn corpus() -> Vec<(AgentType, Value, bool)> {
        let url = "https://example.com";
        let (code, api, workflow) = (AgentType::Code, AgentType::Api, AgentType::Workflow);
        vec![
            (workflow, json!({ "workflow": "a", "wait": false }), true),
            (workflow, json!({ "workflow": "a", "wait": "no" }), false),
            (workflow, json!({ "workflow": "a", "wiat": false }), false),
            (workflow, json!({ "workflow": " " }), false),
            (workflow, json!({}), false),
            (code, json!({ "language": "python", "source": "def main(a, b): pass", "secrets": ["A"] }), true),
            (code, json!({ "language": "python", "source": "x", "secrets": null }), true),
            (code, json!({ "language": "ruby", "source": "x" }), false),
            (code, json!({ "language": "python", "source": " " }), false),
            (code, json!({ "language": "python" }), false),
            (code, json!({ "language": "python", "source": "x", "secrets": ["A-B"] }), false),
            (api, json!({ "url": url }), true),
            (
                api,
                json!({ "url": "${{ input.url }}", "method": "PUT", "headers": { "a": null }, "body": [1], "timeout_ms": 5 }),
                true,
            ),
            (api, json!({ "url": url, "auth": { "type": "bearer", "token": "${{ secrets.A }}" } }), true),
            (api, json!({ "url": url, "auth": { "type": "bearer", "token": "${{ input.token }}" } }), true),
            (api, json!({ "url": url, "auth": { "type": "basic", "user": "me", "password": "${{secrets.A}}" } }), true),
            (
                api,
                json!({ "url": url, "method": "POST", "body": 1,
                          "auth": { "type": "hmac", "name": "X-Signature", "key": "${{ secrets.A }}", "encoding": "hex" } }),
                true,
            ),
            (
                api,
                json!({ "url": url, "pages": { "by": "page", "parameter": "p", "items": "${{ output.body }}", "max": 3 } }),
                true,
            ),
            (
                api,
                json!({ "url": url, "pages": { "by": "link", "items": "${{ output.body }}" }, "redirects": 0 }),
                true,
            ),
            (api, json!({ "url": url, "response_schema": { "type": "object" }, "accept_status": [404] }), true),
            (api, json!({ "url": "ftp://example.com" }), false),
            (api, json!({ "url": url, "method": "get" }), false),
            (api, json!({ "url": url, "auth": { "type": "bearer", "token": "plain" } }), false),
            (api, json!({ "url": url, "auth": { "type": "digest" } }), false),
            (api, json!({ "url": url, "auth": { "type": "bearer", "token": "${{ secrets.A }}", "user": "x" } }), false),
            (api, json!({ "url": url, "query": [] }), false),
            (api, json!({ "url": url, "accept_status": [100] }), false),
            (api, json!({ "url": url, "timeout_ms": 0 }), false),
            (api, json!({ "url": url, "pages": { "by": "cursor", "items": "${{ output.body }}" } }), false),
            (api, json!({ "url": url, "redirects": 11 }), false),
            (api, json!({ "url": url, "response_schema": true }), false),
            (api, json!({ "url": url, "tiemout_ms": 1 }), false),
        ]
    }

    /// The same of agents that work on data or talk with a model.
    fn corpus_of_data_and_models() -> Vec<(AgentType, Value, bool)> {
        let (url, llm, data) = ("https://example.com", AgentType::Llm, AgentType::Data);
        let column = |kind: &str| json!({ "sql": "SELECT a FROM t", "tables": { "t": { "rows": [], "columns": { "a": kind } } } });
        vec![
            (data, json!({ "program": ".a", "collect": true }), true),
            (data, json!({ "program": ".a", "collect": "yes" }), false),
            (data, json!({ "program": "" }), false),
            (data, json!({}), false),
            (data, json!({ "program": ".a", "sql": "SELECT 1" }), false),
            (data, column("integer"), true),
            (data, column("serial"), false),
            (
                data,
                json!({ "sql": "SELECT 1", "max_rows": 7, "tables": { "t": { "csv": "${{ input.t }}", "delimiter": ";" } } }),
                true,
            ),
            (data, json!({ "sql": "SELECT 1", "tables": { "T": { "rows": [] } } }), false),
            (data, json!({ "sql": "SELECT 1", "tables": { "t": { "rows": [], "csv": "" } } }), false),
            (data, json!({ "sql": "SELECT 1", "tables": { "t": {} } }), false),
            (data, json!({ "sql": "SELECT 1", "max_rows": 0 }), false),
            (data, json!({ "sql": "SELECT 1", "collect": true }), false),
            (llm, json!({ "prompt": "${{ input.text }}", "temperature": 0.5, "response_format": "json" }), true),
            (
                llm,
                json!({ "messages": [{ "role": "system", "content": "x" }, { "content": 1 }], "provider": "gemini" }),
                true,
            ),
            (
                llm,
                json!({ "prompt": "x", "fallback": [{ "provider": "anthropic" }], "stream": true, "max_turns": 3 }),
                true,
            ),
            (llm, json!({ "prompt": "x", "base_url": url, "api_key": "${{ secrets.A }}" }), true),
            (llm, json!({ "prompt": "x", "tools": [{ "agent": "search", "input": { "type": "object" } }] }), true),
            (
                llm,
                json!({ "prompt": "x", "provider": "offline", "script": [{ "say": "a" }, { "call": [{ "tool": "t" }] }] }),
                true,
            ),
            (llm, json!({ "provider": "openai" }), false),
            (llm, json!({ "prompt": "x", "messages": [{ "content": "y" }] }), false),
            (llm, json!({ "messages": [] }), false),
            (llm, json!({ "prompt": "x", "temperature": 3 }), false),
            (llm, json!({ "prompt": "x", "provider": "other" }), false),
            (llm, json!({ "prompt": "x", "fallback": [{ "model": "a" }] }), false),
            (llm, json!({ "prompt": "x", "api_key": "plain" }), false),
            (llm, json!({ "prompt": "x", "tools": [{ "agent": "search", "input": { "type": "array" } }] }), false),
            (llm, json!({ "prompt": "x", "provider": "offline", "script": [{ "if": "${{ true }}" }] }), false),
            (llm, json!({ "prompt": "x", "response_format": "xml" }), false),
        ]
    }

    #[test]
    fn the_published_schemas_and_the_check_at_publishing_agree() {
        let schemas = JsonSchemas::default();
        for (kind, config, is_right) in corpus().into_iter().chain(corpus_of_data_and_models()) {
            let (form, checked) =
                (schemas.validate(&schema(kind), &config), turbocat_agents::validate_config(kind, &config));
            assert_eq!(form.is_ok(), is_right, "the schema of {kind}: {config}: {form:?}");
            assert_eq!(checked.is_ok(), is_right, "the check of {kind}: {config}: {checked:?}");
        }
        let workflow = schema(AgentType::Workflow);
        assert!(schemas.validate(&workflow, &json!({ "workflow": "a" })).is_ok());
        assert!(schemas.validate(&workflow, &json!({ "workflow": "" })).is_err());
        assert!(schemas.validate(&workflow, &json!({})).is_err());
    }

    #[test]
    fn the_agents_of_all_official_templates_have_valid_configs() {
        let mut checked = 0;
        for template in official_templates() {
            let agents = match template.kind {
                TemplateType::Agent => vec![template.template_data],
                TemplateType::Workflow => template.template_data["agents"].as_array().unwrap().clone(),
                TemplateType::Step => Vec::new(),
            };
            for agent in agents.iter().map(|agent| AgentDocument::parse(agent).unwrap()) {
                turbocat_agents::validate_config(agent.kind, &agent.config).unwrap();
                JsonSchemas::default().validate(&schema(agent.kind), &agent.config).unwrap();
                checked += 1;
            }
        }
        assert!(checked >= 5, "only {checked} were checked");
    }
}
