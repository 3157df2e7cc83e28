//! Code agents: a program of the author's, run in a child process of its own.
//!
//! ```json
//! { "language": "javascript", "source": "export default function (inputs, context) { return inputs.a + inputs.b }" }
//! ```
//!
//! The program is a module whose default export, or else whose function `main`, gets the inputs and the context
//! (`execution_id`, `path`, `attempt`, `idempotency_key`, `agent`, `secrets`). What it returns, or what the promise that it
//! returns comes to, is the answer, as JSON. `console` writes to the execution's log.

mod console;
pub(crate) mod javascript;

use serde_json::{Map, Value, json, value::to_raw_value};
use turbocat_domain::{
    port::{AgentCall, LogSink},
    problem::{Problem, Problems},
    step_run::StepError,
    value::SecretName,
};

use crate::{
    agents::{invalid_config, job},
    child::{JavascriptCall, Task},
    config::Reader,
    host::ChildHost,
    secret::{self, Secrets},
};

/// The longest program, in bytes.
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// The most secrets that a program is given.
const SECRETS_MAX: usize = 20;

/// The configuration of a code agent.
#[derive(Debug)]
pub(crate) struct Config {
    source: String,
    /// The secrets that the program is given.
    pub(crate) secrets: Vec<String>,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        if reader.required_text("language", "`javascript` is supported").is_some_and(|name| name != "javascript") {
            reader.problem("language", "must be `javascript`: no other language is supported yet");
        }
        let source = reader.required_text("source", "the program").map(str::to_owned);
        if let Some(source) = &source {
            if source.len() > SOURCE_BYTES_MAX {
                reader.problem("source", format!("has {} bytes; {SOURCE_BYTES_MAX} are allowed", source.len()));
            }
            if source.contains('\0') {
                reader.problem("source", "holds a NUL character");
            }
        }
        let secrets = read_secrets(&mut reader);
        reader.finish(source.map(|source| Self { source, secrets }))
    }
}

/// The names of secrets, each once.
fn read_secrets(reader: &mut Reader<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let Some(value) = reader.value("secrets") else { return names };
    let Some(items) = value.as_array().filter(|items| items.len() <= SECRETS_MAX) else {
        reader.problem("secrets", format!("must be a list of at most {SECRETS_MAX} names of secrets"));
        return names;
    };
    for item in items {
        match SecretName::parse(item.as_str().unwrap_or_default()) {
            Ok(name) if !names.iter().any(|other| other == name.as_str()) => names.push(name.into()),
            Ok(_) => {}
            Err(error) => reader.problem("secrets", error.to_string()),
        }
    }
    names
}

/// Runs one attempt.
pub(crate) async fn run(
    call: &AgentCall,
    secrets: &Secrets,
    children: &ChildHost,
    log: &dyn LogSink,
) -> Result<Value, StepError> {
    let config = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    let mut given = Map::new();
    for name in &config.secrets {
        let secret = secrets.get(name).ok_or_else(|| secret::unknown(name))?;
        given.insert(name.clone(), Value::from(secret.value.expose()));
    }
    let context = json!({
        "execution_id": call.execution_id.as_uuid(),
        "path": call.path,
        "attempt": call.attempt,
        "idempotency_key": call.idempotency_key(),
        "agent": call.agent.name.as_str(),
        "secrets": given,
    });
    let raw = |value| to_raw_value(value).map_err(|error| StepError::permanent("invalid_input", error.to_string()));
    let program = JavascriptCall { source: config.source, inputs: raw(&call.inputs)?, context: raw(&context)? };
    children.run(job(call, Task::Javascript(program)), log).await
}

/// Parses the program.
pub(crate) async fn check(config: &Value, children: &ChildHost) -> Result<(), Problems> {
    let source = Config::read(config)?.source;
    let checked = children.check(Task::CheckJavascript { source }).await;
    checked.map_err(|error| Problem::new("invalid_program", "source", error.message).into())
}
