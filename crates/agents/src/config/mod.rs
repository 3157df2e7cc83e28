//! Reads the configurations of agents: everything that is wrong at once, each thing with its place.

mod template;
mod workflow;

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use turbocat_domain::{
    agent::AgentType,
    problem::{Problem, Problems},
    value::nearest,
};

pub(crate) use self::template::{CallScope, Reads, SecretSource, parse as parse_mapping};
use crate::{api, code, data, llm};

const WRONG: &str = "invalid_config";

/// Checks the form of an agent's configuration, without running or parsing any program of its author's.
///
/// [`Agents::check`](crate::Agents::check) does this too, and parses the program in a child process.
///
/// # Errors
///
/// Everything that is wrong with it; places start at the configuration: `headers.Accept`.
pub fn validate_config(kind: AgentType, config: &Value) -> Result<(), Problems> {
    match kind {
        AgentType::Code => code::Config::read(config).map(drop),
        AgentType::Api => api::Config::read(config).map(drop),
        AgentType::Llm => llm::Config::read(config).map(drop),
        AgentType::Data => data::Config::read(config).map(drop),
        AgentType::Workflow => workflow::check(config),
    }
}

/// What of a configuration is checked beyond its form (its program, its schema), with nothing else: so that this is told
/// together with what is wrong with the form. `None` if it cannot be read by itself.
pub(crate) fn essence(kind: AgentType, config: &Value) -> Option<Value> {
    let (members, given): (&[&str], Option<(&str, &str)>) = match kind {
        AgentType::Code => (&["language", "source"], None),
        AgentType::Data => (&["program", "sql", "tables"], None),
        AgentType::Api => (&["response_schema"], Some(("url", "https://example.com"))),
        AgentType::Llm => (&["output_schema"], Some(("prompt", "none"))),
        AgentType::Workflow => return None,
    };
    let found = members.iter().filter_map(|member| Some(((*member).to_owned(), config.get(member)?.clone())));
    let given = given.into_iter().map(|(member, value)| (member.to_owned(), Value::from(value)));
    let essence = Value::Object(found.chain(given).collect());
    validate_config(kind, &essence).is_ok().then_some(essence)
}

/// Reads the members of one object, remembers which are known, and collects what is wrong.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    members: Option<&'a Map<String, Value>>,
    prefix: String,
    known: Vec<&'static str>,
    problems: Problems,
}

impl<'a> Reader<'a> {
    /// A reader of a whole configuration.
    pub(crate) fn new(config: &'a Value) -> Self {
        Self::at(config, String::new())
    }

    /// A reader of an object inside of it.
    pub(crate) fn at(value: &'a Value, path: String) -> Self {
        let mut problems = Problems::default();
        if !value.is_object() {
            problems.add(WRONG, path.clone(), format!("must be an object, not {}", kind(value)));
        }
        let prefix = if path.is_empty() { path } else { format!("{path}.") };
        Self { members: value.as_object(), prefix, known: Vec::new(), problems }
    }

    /// A member as it is; `null` counts as absent.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.members?.get(key).filter(|value| !value.is_null())
    }

    /// A member that must be there.
    pub(crate) fn required(&mut self, key: &'static str, what: &str) -> Option<&'a Value> {
        let value = self.value(key);
        if value.is_none() && self.members.is_some() {
            self.problem(key, format!("is missing: {what}"));
        }
        value
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.value(key)?;
        self.expect(key, value.as_str(), "text")
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, key: &'static str, what: &str) -> Option<&'a str> {
        let value = self.required(key, what)?;
        self.expect(key, value.as_str().filter(|text| !text.trim().is_empty()), "a text that is not empty")
    }

    /// One of a few words.
    pub(crate) fn word(&mut self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.value(key)?;
        let found = words.iter().copied().find(|word| value.as_str() == Some(*word));
        self.expect(key, found, &format!("one of {}", words.join(", ")))
    }

    /// True or false.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        self.expect(key, value.as_bool(), "true or false")
    }

    /// An integer in a range.
    pub(crate) fn integer(&mut self, key: &'static str, range: &RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.expect(key, value.as_u64().filter(|number| range.contains(number)), &expected)
    }

    /// A number in a range.
    pub(crate) fn number(&mut self, key: &'static str, range: &RangeInclusive<f64>) -> Option<f64> {
        let value = self.value(key)?;
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.expect(key, value.as_f64().filter(|number| range.contains(number)), &expected)
    }

    /// Adds a problem with a member.
    pub(crate) fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.add(WRONG, format!("{}{key}", self.prefix), message);
    }

    /// Adds problems that were found by others, with their whole paths.
    pub(crate) fn problems(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// The place of a member.
    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What was read, if nothing is wrong; members that nobody asked for are.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        let unknown = self.members.into_iter().flat_map(Map::keys).filter(|key| !self.known.contains(&key.as_str()));
        let unknown: Vec<&String> = unknown.collect();
        for key in unknown {
            let hint = match nearest(key, self.known.iter().copied()) {
                Some(near) => format!("is unknown; did you mean `{near}`?"),
                None => format!("is unknown; known are {}", self.known.join(", ")),
            };
            self.problems.add("unknown_key", format!("{}{key}", self.prefix), hint);
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            // Whatever kept a value from being read is among the problems.
            _ => Err(self.problems),
        }
    }

    fn expect<T>(&mut self, key: &str, read: Option<T>, expected: &str) -> Option<T> {
        if read.is_none() {
            let given = self.members.and_then(|members| members.get(key)).map_or_else(String::new, kind);
            self.problem(key, format!("must be {expected}, not {given}"));
        }
        read
    }
}

/// What a value is, short enough for a message.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("`{text}`"),
        Value::String(_) => "a longer text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
