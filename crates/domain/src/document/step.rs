//! The steps of a document.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    action::StepAction,
    reader::{Field, Reader},
    writer::Writer,
};
use crate::{
    limits::{RETRIES_MAX, RETRY_DELAY_MS_DEFAULT, STEP_TIMEOUT_MS_DEFAULT, STEP_TIMEOUT_MS_MAX},
    plan::{Backoff, RetryPolicy},
    value::{Name, StepKey},
    workflow_step::{JoinRule, OnError, StepType},
};

/// A step, as it is written; its expressions are text, known to be right.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is called in expressions; unique in the workflow.
    pub key: StepKey,
    /// What it is called for people.
    pub name: Name,
    /// What it waits for, without the conditions that name it. In alphabetical order.
    pub depends_on: Vec<StepKey>,
    /// Its own condition (CEL): false skips it.
    pub guard: Option<String>,
    /// When it may run, given how its dependencies ended.
    pub join: JoinRule,
    /// What of its result is kept (mapping); `None` keeps all of it.
    pub outputs: Option<Value>,
    /// What happens after its last attempt failed.
    pub on_error: OnError,
    /// What it does.
    pub action: StepAction,
}

/// Runs an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentStep {
    /// The name or the id of the agent.
    pub agent: String,
    /// What it is given (mapping).
    pub inputs: Value,
    /// Attempts after the first.
    pub retry_count: u32,
    /// The delay before the second attempt, in milliseconds.
    pub retry_delay_ms: u32,
    /// The longest attempt, in milliseconds.
    pub timeout_ms: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Whether the delay is spread.
    pub jitter: bool,
}

impl Step {
    /// Reads a step; `None` if it has no key or no type to go by.
    pub(super) fn read(field: &Field<'_>) -> Option<Self> {
        let reader = field.object()?;
        let key = reader.require("key").and_then(|field| field.parse::<StepKey>());
        let step_type = reader.require("type").and_then(|field| field.parse::<StepType>());
        let name = reader.get("name").and_then(|field| field.parse::<Name>());
        let depends_on = reader.get("depends_on").map(|field| field.step_keys()).unwrap_or_default();
        let guard = reader.get("if").and_then(|field| field.cel());
        let join = reader.get("join").and_then(|field| field.parse()).unwrap_or_default();
        let outputs = reader.get("outputs").map(|field| field.value.clone());
        let on_error = reader.get("on_error").and_then(|field| field.parse::<OnError>()).unwrap_or_default();
        let action = step_type.map(|step_type| StepAction::read(step_type, &reader));
        match step_type {
            Some(StepType::Agent) => {}
            Some(other) => refuse_agent_keys(&reader, other, on_error),
            // Without a type, nobody can say what belongs here.
            None => reader.accept(&[&AGENT_KEYS[..], &["config"]].concat()),
        }
        reader.close();
        let key = key?;
        Some(Self {
            name: name.unwrap_or_else(|| key.clone().into()),
            key,
            depends_on,
            guard,
            join,
            outputs,
            on_error,
            action: action?,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("key", &self.key);
        writer.put_unless("name", &self.name, &Name::from(self.key.clone()));
        writer.put("type", &self.action.step_type());
        writer.put_filled("depends_on", &self.depends_on);
        writer.put_some("if", self.guard.as_ref());
        writer.put_unless("join", &self.join, &JoinRule::default());
        writer.put_some("outputs", self.outputs.as_ref());
        writer.put_unless("on_error", &self.on_error, &OnError::default());
        if let StepAction::Agent(agent) = &self.action {
            agent.write(&mut writer);
        }
        writer.put_filled("config", &self.action.config());
        writer.object()
    }
}

impl AgentStep {
    /// Reads the keys of a step that only an agent has.
    pub(super) fn read(reader: &Reader<'_>, config: Option<&Reader<'_>>) -> Self {
        let of_config = |key| config.and_then(|config| config.get(key));
        Self {
            agent: reader
                .require("agent")
                .and_then(|field| field.parse::<Name>())
                .map(String::from)
                .unwrap_or_default(),
            inputs: reader.get("inputs").map_or_else(
                || Value::Object(serde_json::Map::new()),
                |inputs| {
                    // A list or a text cannot be laid over an agent's parameters; an expression may give an object.
                    let is_expression = inputs.value.as_str().is_some_and(is_one_expression);
                    if is_expression || inputs.object().is_some() { inputs.value.clone() } else { Value::Null }
                },
            ),
            retry_count: reader.get("retry_count").and_then(|field| field.number(0..=RETRIES_MAX)).unwrap_or_default(),
            retry_delay_ms: reader
                .get("retry_delay_ms")
                .and_then(|field| field.number(0..=RetryPolicy::DELAY_MS_MAX))
                .and_then(|delay_ms| u32::try_from(delay_ms).ok())
                .unwrap_or(RETRY_DELAY_MS_DEFAULT),
            timeout_ms: reader
                .get("timeout_ms")
                .and_then(|field| field.number(1..=STEP_TIMEOUT_MS_MAX))
                .unwrap_or(STEP_TIMEOUT_MS_DEFAULT),
            backoff: of_config("backoff")
                .and_then(|field| field.word(&[("exponential", Backoff::Exponential), ("fixed", Backoff::Fixed)]))
                .unwrap_or_default(),
            jitter: of_config("jitter").and_then(|field| field.flag()).unwrap_or(true),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.put("agent", &self.agent);
        writer.put_filled("inputs", &self.inputs);
        writer.put_unless("retry_count", &self.retry_count, &0);
        writer.put_unless("retry_delay_ms", &self.retry_delay_ms, &RETRY_DELAY_MS_DEFAULT);
        writer.put_unless("timeout_ms", &self.timeout_ms, &STEP_TIMEOUT_MS_DEFAULT);
    }

    /// What of it lies in the step's `config`.
    pub(super) fn write_config(&self, writer: &mut Writer) {
        writer.put_unless("backoff", &self.backoff, &Backoff::default());
        writer.put_unless("jitter", &self.jitter, &true);
    }
}

/// The keys that only a step of an agent has.
const AGENT_KEYS: [&str; 5] = ["agent", "inputs", "retry_count", "retry_delay_ms", "timeout_ms"];

/// Says what to use instead of an agent's keys.
/// Whether a text is one expression and nothing else.
fn is_one_expression(text: &str) -> bool {
    let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| !inner.contains("}}"))
}

fn refuse_agent_keys(reader: &Reader<'_>, step_type: StepType, on_error: OnError) {
    for key in AGENT_KEYS {
        let instead = match (key, step_type) {
            ("timeout_ms", StepType::Wait) => "a wait is bounded by `config.timeout_ms`",
            ("timeout_ms", _) => "the whole execution is bounded by `settings.timeout_ms`",
            ("inputs", _) => "the steps of its body read what they need in their own `inputs`",
            ("agent", _) => "only a step of the type `agent` runs one",
            _ => "only a step of the type `agent` is tried again; set it on the steps of the body",
        };
        reader.refuse_key(key, "not_for_this_step", format!("a {step_type} step has no `{key}`: {instead}"));
    }
    if on_error == OnError::Retry {
        reader.refuse_key(
            "on_error",
            "not_for_this_step",
            format!("a {step_type} step is not tried again: `on_error` must be `fail` or `continue`"),
        );
    }
}

/// Steps by a name: branches of a condition or of a parallel step.
pub(super) fn read_branches(field: &Field<'_>) -> BTreeMap<String, Vec<StepKey>> {
    let branches = field.entries().into_iter();
    branches
        .filter_map(|(name, keys)| match name.parse::<Name>() {
            Ok(_) => Some((name.to_owned(), keys.step_keys())),
            Err(error) => {
                keys.refuse("invalid_value", error.to_string());
                None
            }
        })
        .collect()
}
