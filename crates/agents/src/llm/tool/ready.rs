//! Tools that are ready to be called: with the agents that they run, and the servers behind them.
//!
//! What an MCP server says that it has is a part of the step, as a turn is. The conversation is about those tools, so
//! whoever goes on with it goes on with them, whatever the server has by then, and asks it nothing before it is called.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution_log::LogLevel,
    limits,
    port::{AgentCall, PartKind, StepPart},
    problem::Problems,
    step_run::StepError,
};

use super::{
    Operation, Tool,
    config::{Mcp, McpPlace},
};
use crate::{
    agents::invalid_config,
    api,
    config::CallScope,
    llm::{Surroundings, parts::Parts},
    mcp::{Described, Remote, Session},
};

/// The characters of a tool's name that all providers take.
const NAME_MAX: usize = 64;

/// A tool that can be called.
pub(super) struct Ready<'a> {
    /// What the model calls it.
    pub(super) name: String,
    /// What people read: `server.tool`, which is no name for all providers.
    pub(super) shown: String,
    pub(super) description: String,
    /// The JSON Schema of its input.
    pub(super) input: Value,
    pub(super) timeout_ms: Option<u64>,
    pub(super) does: Does<'a>,
}

/// What a tool does.
pub(super) enum Does<'a> {
    /// Runs an agent.
    Agent(Arc<Agent>),
    /// Runs a workflow of this name or id.
    Workflow(&'a str),
    /// Has a server do it.
    Mcp { session: Arc<Session<'a>>, tool: String },
}

/// Looks up everything that the tools of an agent name.
pub(super) async fn all<'a>(
    call: &'a AgentCall,
    around: Surroundings<'a>,
    (tools, parts): (&'a [Tool], &Parts<'_>),
) -> Result<Vec<Ready<'a>>, StepError> {
    let mut all = Vec::with_capacity(tools.len());
    for tool in tools {
        match &tool.operation {
            Operation::Agent(name) => all.push(of_agent(tool, call.host.agent(name).await?)),
            Operation::Http(config) => all.push(of_agent(tool, requesting(call, config))),
            Operation::Workflow(name) => {
                let description = tool.description.clone().unwrap_or_else(|| format!("Runs the workflow {name}."));
                all.push(Ready { description, ..plain(tool, Does::Workflow(name)) });
            }
            Operation::Mcp(mcp) => {
                let ready = of_server(call, around, (tool, mcp, parts)).await?;
                for ready in ready {
                    if all.iter().any(|other: &Ready<'_>| other.name == ready.name) {
                        let told = format!("`{}` is left out: there is a tool of that name", ready.shown);
                        around.log.log(LogLevel::Warn, &told);
                    } else {
                        all.push(ready);
                    }
                }
            }
        }
    }
    if all.len() > limits::LLM_TOOLS_MAX {
        let message = format!(
            "the agent has {} tools, and {} are the most; choose with `only` among those of its servers",
            all.len(),
            limits::LLM_TOOLS_MAX
        );
        return Err(StepError::permanent("mcp_too_many_tools", message));
    }
    Ok(all)
}

fn plain<'a>(tool: &Tool, does: Does<'a>) -> Ready<'a> {
    Ready {
        name: tool.name.clone(),
        shown: tool.name.clone(),
        description: tool.description.clone().unwrap_or_default(),
        input: tool.input.clone(),
        timeout_ms: tool.timeout_ms,
        does,
    }
}

fn of_agent<'a>(tool: &Tool, agent: Arc<Agent>) -> Ready<'a> {
    let own = matches!(tool.operation, Operation::Agent(_)).then(|| agent.description.clone()).flatten();
    let description = tool.description.clone().or(own).unwrap_or_default();
    Ready { description, ..plain(tool, Does::Agent(agent)) }
}

/// The agent that sends the request of a tool.
fn requesting(call: &AgentCall, config: &Value) -> Arc<Agent> {
    Arc::new(Agent {
        kind: AgentType::Api,
        config: config.clone(),
        // What the agent says of its own inputs and answer is nothing about the tool.
        parameters: Value::Null,
        capabilities: Value::Null,
        ..Agent::clone(&call.agent)
    })
}

/// The tools of a server: those that were recorded, or those that it has now, which then are.
async fn of_server<'a>(
    call: &'a AgentCall,
    around: Surroundings<'a>,
    (tool, mcp, parts): (&'a Tool, &'a Mcp, &Parts<'_>),
) -> Result<Vec<Ready<'a>>, StepError> {
    let session = Arc::new(session(call, around, mcp)?);
    let key = format!("tools.{}", tool.name);
    let data = if let Some(data) = parts.get(&key) {
        data.clone()
    } else {
        let found = session.tools().await.map_err(|error| of(&tool.name, error))?;
        let chosen = choose(around, (tool, mcp), found)?;
        let data = around.redactor.outcome(Ok(json!({ "server": tool.name, "tools": chosen })))?;
        parts.host.record(StepPart { key, kind: PartKind::Tools, data }, None).await?
    };
    let described: Vec<Described> =
        serde_json::from_value(data.get("tools").cloned().unwrap_or_default()).map_err(|error| {
            let message = format!("the tools of `{}` that were recorded cannot be read: {error}", tool.name);
            StepError::permanent("parts_unreadable", message)
        })?;
    let ready = |described: Described| Ready {
        name: name_for_models(&tool.name, &described.name),
        shown: format!("{}.{}", tool.name, described.name),
        description: described.description,
        input: described.input,
        timeout_ms: tool.timeout_ms,
        does: Does::Mcp { session: Arc::clone(&session), tool: described.name },
    };
    Ok(described.into_iter().map(ready).collect())
}

fn session<'a>(call: &AgentCall, around: Surroundings<'a>, mcp: &Mcp) -> Result<Session<'a>, StepError> {
    match &mcp.server {
        McpPlace::Declared(name) => around.mcp.named(name, around.children),
        McpPlace::At(config) => {
            let wrong = |problems: Problems| invalid_config(&problems);
            let config = api::Config::read(config).map_err(wrong)?;
            let scope = CallScope { inputs: &call.inputs, output: None };
            let (url, headers) = api::place(&config, &scope, around.secrets)?;
            let remote = Remote { url, headers, egress: around.egress.clone() };
            Ok(around.mcp.at(remote, around.children))
        }
    }
}

/// Those of a server's tools that the author wants, and whose schemas are some.
fn choose(
    around: Surroundings<'_>,
    (tool, mcp): (&Tool, &Mcp),
    found: Vec<Described>,
) -> Result<Vec<Described>, StepError> {
    if let Some(only) = &mcp.only
        && let Some(missing) = only.iter().find(|name| !found.iter().any(|found| found.name == **name))
    {
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let message = format!("`{}` has no tool `{missing}`; it has: {}", tool.name, names.join(", "));
        return Err(StepError::permanent("mcp_unknown_tool", message));
    }
    let is_wanted = |found: &Described| mcp.only.as_ref().is_none_or(|only| only.contains(&found.name));
    let is_sound = |found: &Described| {
        let checked = around.schemas.check(&found.input);
        if checked.is_err() {
            let told = format!("`{}.{}` is left out: the schema of its input is none", tool.name, found.name);
            around.log.log(LogLevel::Warn, &told);
        }
        checked.is_ok()
    };
    Ok(found.into_iter().filter(is_wanted).filter(is_sound).collect())
}

/// An error with the server that it is of.
fn of(server: &str, error: StepError) -> StepError {
    StepError { message: format!("the MCP server `{server}`: {}", error.message), ..error }
}

/// Dots, and whatever else a server's name of a tool has that a provider does not take, are written otherwise.
fn name_for_models(server: &str, tool: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let tool = tool.chars().map(|c| if is_allowed(c) { c } else { '_' });
    server.chars().chain("__".chars()).chain(tool).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_servers_tool_is_one_that_every_provider_takes() {
        assert_eq!(name_for_models("files", "read.all/of it"), "files__read_all_of_it");
        assert_eq!(name_for_models("files", &"x".repeat(100)).len(), 64);
    }
}
