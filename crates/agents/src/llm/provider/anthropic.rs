//! The Messages API of Anthropic.

use std::collections::BTreeMap;

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
    fn path(&self, _ask: &Ask<'_>) -> String {
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
            ("stream", ask.config.streams.then_some(Value::Bool(true))),
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

    fn piece<'e>(&self, event: &'e Value) -> Option<&'e str> {
        text(event, "/delta/text")
    }

    fn assemble(&self, events: &[Value]) -> Option<Value> {
        let of = |kind: &'static str| events.iter().filter(move |event| text(event, "/type") == Some(kind));
        of("message_stop").next()?;
        let mut message = of("message_start").next()?.get("message")?.clone();
        let mut blocks: BTreeMap<u64, Value> = BTreeMap::new();
        for event in of("content_block_start") {
            blocks.insert(figure(event, "/index")?, event.get("content_block")?.clone());
        }
        for event in of("content_block_delta") {
            add(blocks.get_mut(&figure(event, "/index")?)?, event.get("delta")?);
        }
        let blocks = blocks.into_values().map(finished).collect::<Option<Vec<_>>>()?;
        let end = of("message_delta").next_back()?;
        let members = message.as_object_mut()?;
        members.insert("content".to_owned(), Value::Array(blocks));
        members.insert("stop_reason".to_owned(), end.pointer("/delta/stop_reason").cloned().unwrap_or_default());
        if let (Some(Value::Object(usage)), Some(Value::Object(last))) = (members.get_mut("usage"), end.get("usage")) {
            usage.extend(
                last.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        Some(message)
    }
}

/// Adds a piece to a block. The input of a tool comes as text.
fn add(block: &mut Value, delta: &Value) {
    let name = match text(delta, "/type") {
        Some("text_delta") => "text",
        Some("thinking_delta") => "thinking",
        Some("signature_delta") => "signature",
        Some("input_json_delta") => "partial_json",
        _ => return,
    };
    let piece = text(delta, &format!("/{name}")).unwrap_or_default();
    let joined = format!("{}{piece}", text(block, &format!("/{name}")).unwrap_or_default());
    if let Some(members) = block.as_object_mut() {
        members.insert(name.to_owned(), joined.into());
    }
}

/// A block that is whole: the text of an input becomes that input.
fn finished(mut block: Value) -> Option<Value> {
    let members = block.as_object_mut()?;
    if let Some(input) = members.remove("partial_json") {
        let input = input.as_str().filter(|text| !text.trim().is_empty()).unwrap_or("{}");
        members.insert("input".to_owned(), serde_json::from_str(input).unwrap_or_else(|_| input.into()));
    }
    Some(block)
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
