//! The configuration of tools.

use serde_json::{Value, json};
use turbocat_domain::limits;

use crate::{api, config::Reader};

/// The characters of a tool's name, at most: what all providers take.
const NAME_MAX: usize = 64;

/// A tool.
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
            Operation::Http(_) => None,
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
    let mut given = [agent, workflow, http.map(Operation::Http)].into_iter().flatten();
    let operation = given.next();
    if operation.is_none() || given.next().is_some() {
        reader.problem("agent", "one of `agent`, `workflow` and `http` must be there, and one only");
    }
    operation
}
