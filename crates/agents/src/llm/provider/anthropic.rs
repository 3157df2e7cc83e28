//! The Messages API of Anthropic.

use serde_json::{Map, Value, json};

use super::{Dialect, figure, system, text};
use crate::llm::{
    chat::{Ask, Message, ToolCall, ToolResult, Turn, Usage},
    config::{Format, Provider},
};

/// The API wants a bound; this is what agents have that name none.
const MAX_TOKENS: u64 = 4_096;

/// Speaks to it.
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    fn path(&self, _model: &str) -> String {
        "/v1/messages".to_owned()
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn body(&self, ask: &Ask<'_>) -> Value {
        let messages: Vec<Value> = ask.messages.iter().filter_map(message).collect();
        let mut body = Map::new();
        body.insert("model".to_owned(), ask.model.into());
        body.insert("max_tokens".to_owned(), ask.config.max_tokens.unwrap_or(MAX_TOKENS).into());
        body.insert("messages".to_owned(), messages.into());
        let tools: Vec<Value> = ask
            .tools
            .iter()
            .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.input }))
            .collect();
        let format = match &ask.config.format {
            Some(Format::Schema(schema)) => Some(json!({ "format": { "type": "json_schema", "schema": schema } })),
            _ => None,
        };
        let optional = [
            ("system", instructions(ask).map(Value::from)),
            ("temperature", ask.config.temperature.map(|temperature| Value::from(temperature.min(1.0)))),
            ("output_config", format),
            ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
        ];
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Value::Object(body)
    }

    fn read(&self, body: &Value, asked: &str) -> Option<Turn> {
        let content = body.get("content")?.as_array()?;
        let said: Vec<&str> = content.iter().filter_map(|block| text(block, "/text")).collect();
        let calls = content.iter().filter(|block| text(block, "/type") == Some("tool_use")).filter_map(|block| {
            Some(ToolCall {
                id: text(block, "/id")?.to_owned(),
                name: text(block, "/name")?.to_owned(),
                input: block.get("input").cloned().unwrap_or_else(|| json!({})),
            })
        });
        let raw = body.get("usage").cloned().unwrap_or_default();
        let cached = figure(&raw, "/cache_read_input_tokens");
        // Here what was read from the cache, or written to it, is not among the tokens of the input.
        let written = figure(&raw, "/cache_creation_input_tokens").unwrap_or_default();
        let usage = Usage {
            input_tokens: figure(&raw, "/input_tokens").map(|tokens| tokens + cached.unwrap_or_default() + written),
            output_tokens: figure(&raw, "/output_tokens"),
            cached_input_tokens: cached,
            unit: None,
            raw,
        };
        let finish_reason = body.get("stop_reason").cloned().unwrap_or_default();
        let model = text(body, "/model").unwrap_or(asked);
        let native = Value::Array(content.clone());
        let calls = calls.collect();
        Some(Turn { calls, usage, finish_reason, native, ..Turn::said(Provider::Anthropic, model, said.concat()) })
    }
}

/// What is said beforehand; JSON of no particular form can only be asked for in words.
fn instructions(ask: &Ask<'_>) -> Option<String> {
    let wanted = match &ask.config.format {
        Some(Format::Json | Format::Native(_)) => Some("Answer with one JSON value and nothing else.".to_owned()),
        Some(Format::Schema(_)) | None => None,
    };
    let all: Vec<String> = system(ask).into_iter().chain(wanted).collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}

fn message(message: &Message) -> Option<Value> {
    Some(match message {
        Message::System(_) => return None,
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Assistant(text) => json!({ "role": "assistant", "content": text }),
        // What it thought must come back as it was.
        Message::Turn(turn) if turn.provider == Provider::Anthropic => {
            json!({ "role": "assistant", "content": turn.native })
        }
        Message::Turn(turn) => {
            let said = (!turn.text.is_empty()).then(|| json!({ "type": "text", "text": turn.text }));
            let calls = turn
                .calls
                .iter()
                .map(|call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.input }));
            json!({ "role": "assistant", "content": said.into_iter().chain(calls).collect::<Vec<_>>() })
        }
        Message::Results(results) => {
            json!({ "role": "user", "content": results.iter().map(result).collect::<Vec<_>>() })
        }
    })
}

fn result(result: &ToolResult) -> Value {
    json!({
        "type": "tool_result", "tool_use_id": result.id, "content": result.text(), "is_error": result.is_error,
    })
}
