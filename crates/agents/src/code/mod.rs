//! Code agents: a program of the author's, run in a child process of its own.
//!
//! ```json
//! { "language": "javascript", "source": "export default function (inputs, context) { return inputs.a + inputs.b }" }
//! { "language": "python", "source": "def main(inputs, context):\n    return inputs['a'] + inputs['b']" }
//! ```
//!
//! A program in JavaScript is a module whose default export, or else whose function `main`, gets the inputs and the
//! context (`execution_id`, `path`, `attempt`, `idempotency_key`, `agent`, `secrets`); one in Python defines `main`. What it
//! returns, or what the promise that it returns comes to, is the answer, as JSON. What it prints is lines of the
//! execution's log.

mod console;
pub(crate) mod javascript;
mod python;

use std::borrow::Cow;

use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};
use turbocat_domain::{
    port::{AgentCall, LogSink},
    problem::{Problem, Problems},
    step_run::StepError,
    value::SecretName,
};

pub(crate) use self::python::Python;
use crate::{
    agents::{invalid_config, job},
    child::{JavascriptCall, PythonCall, Task},
    config::Reader,
    host::ChildHost,
    secret::{self, Secrets},
};

/// The longest program, in bytes.
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// The most secrets that a program is given.
const SECRETS_MAX: usize = 20;

/// What a program is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Javascript,
    Python,
}

/// The configuration of a code agent.
#[derive(Debug)]
pub(crate) struct Config {
    language: Language,
    source: String,
    /// The secrets that the program is given.
    pub(crate) secrets: Vec<String>,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        let language = match reader.required_text("language", "`javascript` or `python`") {
            Some("javascript") => Some(Language::Javascript),
            Some("python") => Some(Language::Python),
            Some(_) => {
                reader.problem("language", "must be `javascript` or `python`");
                None
            }
            None => None,
        };
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
        reader.finish(language.zip(source).map(|(language, source)| Self { language, source, secrets }))
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

/// What runs programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interpreters<'a> {
    pub(crate) children: &'a ChildHost,
    pub(crate) python: &'a Python,
}

/// Runs one attempt.
pub(crate) async fn run(
    call: &AgentCall,
    secrets: &Secrets,
    with: Interpreters<'_>,
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
    let raw =
        |value: &Value| to_raw_value(value).map_err(|error| StepError::permanent("invalid_input", error.to_string()));
    let inputs = match config.secrets.as_slice() {
        [] => Cow::Borrowed(&call.inputs),
        _ => Cow::Owned(secret::fill(&call.inputs, secrets)?),
    };
    let (source, inputs, context) = (config.source, raw(&inputs)?, raw(&context)?);
    let task = match config.language {
        Language::Javascript => Task::Javascript(JavascriptCall { source, inputs, context }),
        Language::Python => {
            let interpreter = with.python.interpreter(with.children).await?.clone();
            Task::Python(PythonCall { interpreter, source, inputs, context, check: false })
        }
    };
    with.children.run(job(call, task), log).await
}

/// Parses the program.
pub(crate) async fn check(config: &Value, with: Interpreters<'_>) -> Result<(), Problems> {
    let Config { language, source, .. } = Config::read(config)?;
    let task = match language {
        Language::Javascript => Task::CheckJavascript { source },
        Language::Python => {
            let found = with.python.interpreter(with.children).await;
            let interpreter = found.map_err(|error| Problem::new("no_python", "language", error.message))?.clone();
            let (inputs, context) = (RawValue::NULL.to_owned(), RawValue::NULL.to_owned());
            Task::Python(PythonCall { interpreter, source, inputs, context, check: true })
        }
    };
    let checked = with.children.check(task).await;
    checked.map_err(|error| Problem::new("invalid_program", "source", error.message).into())
}
