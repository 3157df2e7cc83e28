//! What the provider `offline` says when its agent brings a script: the part of a model, played for tests and examples.
//!
//! ```json
//! "script": [
//!   { "say": "I look it up.", "call": [{ "tool": "search", "input": { "query": "${{ input.topic }}" } }] },
//!   { "if": "${{ size(output) == 0 }}", "say": "Nothing was found." },
//!   { "say": "Found: ${{ output[0].title }}" }
//! ]
//! ```
//!
//! One entry a turn, in their order; one whose `if` is false is passed over. `output` is the list of what the calls of
//! the turn before came to.

use serde_json::Value;
use turbocat_domain::{expression::Mapping, step_run::StepError};

use super::{
    chat::{ToolCall, Turn, Usage},
    config::Provider,
};
use crate::config::{CallScope, Reader, Reads, parse_mapping};

const MODEL: &str = "offline-script";

/// The part of a model.
#[derive(Debug)]
pub(super) struct Script(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    condition: Option<Mapping>,
    say: Option<Mapping>,
    /// Tools, and what they are given.
    calls: Vec<(String, Mapping)>,
}

impl Script {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let value = reader.value("script")?;
        let Some(entries) = value.as_array().filter(|entries| !entries.is_empty()) else {
            reader.problem("script", "must be a list of at least one `{ \"say\", \"call\" }`");
            return None;
        };
        let mut read = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let mut inner = Reader::at(entry, reader.path(&format!("script[{index}]")));
            let entry = Entry::read(&mut inner);
            match inner.finish(Some(entry)) {
                Ok(entry) => read.push(entry),
                Err(problems) => reader.problems(problems),
            }
        }
        Some(Self(read))
    }

    /// The turn that follows the one at `last`.
    pub(super) fn play(&self, last: Option<usize>, scope: &CallScope<'_>) -> Result<Turn, StepError> {
        let from = last.map_or(0, |last| last + 1);
        for (at, entry) in self.0.iter().enumerate().skip(from) {
            let condition = entry.condition.as_ref().map(|condition| scope.evaluate(condition)).transpose()?;
            if condition != Some(Value::Bool(false)) {
                return entry.play(at, scope);
            }
        }
        Err(StepError::permanent("llm_script_over", "the script of the agent has nothing more to say"))
    }
}

impl Entry {
    fn read(reader: &mut Reader<'_>) -> Self {
        let condition = reader.mapping("if", Reads::Output);
        let say = reader.mapping("say", Reads::Output);
        let calls = reader.value("call");
        let calls = match calls {
            None => Vec::new(),
            Some(Value::Array(calls)) if !calls.is_empty() => {
                calls.iter().enumerate().filter_map(|(index, call)| read_call(reader, index, call)).collect()
            }
            Some(_) => {
                reader.problem("call", "must be a list of at least one `{ \"tool\", \"input\" }`");
                Vec::new()
            }
        };
        if say.is_none() && calls.is_empty() {
            reader.problem("say", "is missing: what is said, or a `call`");
        }
        Self { condition, say, calls }
    }

    fn play(&self, at: usize, scope: &CallScope<'_>) -> Result<Turn, StepError> {
        let say = self.say.as_ref().map(|say| scope.evaluate(say)).transpose()?;
        let text = match say {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let call = |(index, (name, input)): (usize, &(String, Mapping))| {
            Ok(ToolCall { id: format!("call_{at}_{index}"), name: name.clone(), input: scope.evaluate(input)? })
        };
        let calls = self.calls.iter().enumerate().map(call).collect::<Result<Vec<_>, StepError>>()?;
        let words = u64::try_from(text.split_whitespace().count()).ok();
        let usage = Usage {
            input_tokens: Some(0),
            output_tokens: words,
            cached_input_tokens: Some(0),
            unit: Some("words".to_owned()),
            raw: Value::Null,
        };
        let finish_reason = if calls.is_empty() { "stop" } else { "tool_calls" }.into();
        Ok(Turn { calls, usage, finish_reason, at: Some(at), ..Turn::said(Provider::Offline, MODEL, text) })
    }
}

fn read_call(reader: &mut Reader<'_>, index: usize, call: &Value) -> Option<(String, Mapping)> {
    let mut inner = Reader::at(call, reader.path(&format!("call[{index}]")));
    let tool = inner.required_text("tool", "the name of a tool").map(str::to_owned);
    let empty = Value::Object(serde_json::Map::new());
    let given = inner.value("input").unwrap_or(&empty);
    let parsed = parse_mapping(given, &inner.path("input"), Reads::Output);
    let input = parsed.map_err(|problems| inner.problems(problems)).ok();
    match inner.finish(tool.zip(input)) {
        Ok(call) => Some(call),
        Err(problems) => {
            reader.problems(problems);
            None
        }
    }
}
