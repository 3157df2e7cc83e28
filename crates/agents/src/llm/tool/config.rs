//! The configuration of tools.

use serde_json::{Value, json};
use turbocat_domain::limits;

use crate::{api, config::Reader};

/// The characters of a tool's name, at most: what all providers take.
const NAME_MAX: usize = 64;

/// What an author says of an MCP server that is at an address.
const MCP_MEMBERS: [&str; 3] = ["url", "headers", "auth"];

/// A tool, or the tools of an MCP server.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    /// What the model calls it.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The JSON Schema of its input.
    pub(crate) input: Value,
    pub(crate) operation: Operation,
    pub(crate) timeout_ms: Option<u64>,
}

/// What a tool does.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Runs an agent of this name or id.
    Agent(String),
    /// Runs a workflow of this name or id, as a child execution.
    Workflow(String),
    /// Sends a request, as an agent of type `api` with this configuration does.
    Http(Value),
    /// Stands for the tools of an MCP server.
    Mcp(Mcp),
}

/// The tools of an MCP server.
#[derive(Debug, Clone)]
pub(crate) struct Mcp {
    pub(crate) server: McpPlace,
    /// Those that the model is told of; all if it names none.
    pub(crate) only: Option<Vec<String>>,
}

/// Which server.
#[derive(Debug, Clone)]
pub(crate) enum McpPlace {
    /// One that the operator declares by this name.
    Declared(String),
    /// The one at the address of this configuration, which is a part of that of an agent of type `api`.
    At(Value),
}

impl Tool {
    /// The tools of a configuration.
    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Vec<Self> {
        let Some(value) = reader.value("tools") else { return Vec::new() };
        let Some(items) = value.as_array().filter(|items| items.len() <= limits::LLM_TOOLS_MAX) else {
            reader.problem("tools", format!("must be a list of at most {} tools", limits::LLM_TOOLS_MAX));
            return Vec::new();
        };
        let mut tools: Vec<Self> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mut inner = Reader::at(item, reader.path(&format!("tools[{index}]")));
            let tool = Self::read(&mut inner);
            match inner.finish(tool) {
                Ok(tool) if tools.iter().any(|other| other.name == tool.name) => {
                    reader.problem(&format!("tools[{index}].name"), format!("`{}` is there twice", tool.name));
                }
                Ok(tool) => tools.push(tool),
                Err(problems) => reader.problems(problems),
            }
        }
        tools
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let named = reader.text("name").map(str::to_owned);
        let description = reader.text("description").map(str::to_owned);
        let input = reader.value("input").cloned();
        let timeout_ms = reader.integer("timeout_ms", &(1..=limits::STEP_TIMEOUT_MS_MAX.into()));
        let operation = read_operation(reader);
        if let Some(Operation::Mcp(_)) = operation {
            for (key, is_there) in [("description", description.is_some()), ("input", input.is_some())] {
                if is_there {
                    reader.problem(key, "is what the MCP server says, tool by tool");
                }
            }
        }
        let is_name = |name: &str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_allowed)
        };
        if named.as_deref().is_some_and(|name| !is_name(name)) {
            reader.problem("name", "must be 1 to 64 letters, digits, `_` and `-`");
        }
        if let Some(Operation::Http(_)) = operation {
            if named.is_none() {
                let _reported = reader.required("name", "what the model calls the tool");
            }
            if description.is_none() {
                let _reported = reader.required("description", "when the model should call it");
            }
        }
        let operation = operation?;
        let name = named.or_else(|| match &operation {
            Operation::Agent(name) | Operation::Workflow(name) => Some(name.clone()).filter(|name| is_name(name)),
            Operation::Mcp(Mcp { server: McpPlace::Declared(name), .. }) => {
                Some(name.clone()).filter(|name| is_name(name))
            }
            Operation::Http(_) | Operation::Mcp(_) => None,
        });
        if name.is_none() {
            let _reported = reader.required("name", "what the model calls the tool");
        }
        let input = input.unwrap_or_else(|| json!({ "type": "object" }));
        if input.get("type").and_then(Value::as_str) != Some("object") {
            reader.problem("input", "must be a JSON Schema of `\"type\": \"object\"`");
        }
        Some(Self { name: name?, description, input, operation, timeout_ms })
    }
}

fn read_operation(reader: &mut Reader<'_>) -> Option<Operation> {
    let agent = reader.text("agent").map(|name| Operation::Agent(name.to_owned()));
    let workflow = reader.text("workflow").map(|name| Operation::Workflow(name.to_owned()));
    let path = reader.path("http");
    let http = reader.value("http").cloned();
    if let Some(http) = &http
        && let Err(problems) = api::Config::read(http)
    {
        reader.problems(problems.into_iter().map(|mut problem| {
            problem.path = format!("{path}.{}", problem.path);
            problem
        }));
    }
    let mcp = read_mcp(reader);
    let mut given = [agent, workflow, http.map(Operation::Http), mcp].into_iter().flatten();
    let operation = given.next();
    if operation.is_none() || given.next().is_some() {
        reader.problem("agent", "one of `agent`, `workflow`, `http` and `mcp` must be there, and one only");
    }
    operation
}

fn read_mcp(reader: &mut Reader<'_>) -> Option<Operation> {
    let only = reader.value("only");
    let names = only.and_then(Value::as_array).and_then(|names| {
        names.iter().map(|name| name.as_str().filter(|name| !name.is_empty()).map(str::to_owned)).collect()
    });
    if only.is_some() && names.as_ref().is_none_or(Vec::is_empty) {
        reader.problem("only", "must be a list of at least one name of a tool");
    }
    let path = reader.path("mcp");
    let server = match reader.value("mcp") {
        Some(Value::String(name)) if !name.trim().is_empty() => Some(McpPlace::Declared(name.clone())),
        Some(place @ Value::Object(members)) => {
            for key in members.keys().filter(|key| !MCP_MEMBERS.contains(&key.as_str())) {
                reader.problem(&format!("mcp.{key}"), format!("is unknown; known are {}", MCP_MEMBERS.join(", ")));
            }
            if let Err(problems) = api::Config::read(place) {
                reader.problems(problems.into_iter().map(|mut problem| {
                    problem.path = format!("{path}.{}", problem.path);
                    problem
                }));
            }
            Some(McpPlace::At(place.clone()))
        }
        Some(_) => {
            reader.problem("mcp", "must be the name of a server that the operator declares, or `{ \"url\" }`");
            None
        }
        None => None,
    };
    if only.is_some() && server.is_none() {
        reader.problem("only", "chooses among the tools of an MCP server: there is no `mcp`");
    }
    server.map(|server| Operation::Mcp(Mcp { server, only: names }))
}
