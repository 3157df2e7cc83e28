//! Any server with the `OpenAI` API of chat completions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Dialect, figure, text};
use crate::llm::{
    chat::{Ask, Message, ToolCall, ToolSpec, Turn, Usage},
    config::{Format, Provider},
};

/// Speaks to it.
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    fn path(&self, _ask: &Ask<'_>) -> String {
        "/chat/completions".to_owned()
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    fn body(&self, ask: &Ask<'_>) -> Value {
        let messages: Vec<Value> = ask.messages.iter().flat_map(message).collect();
        let mut body = Map::new();
        body.insert("model".to_owned(), ask.model.into());
        body.insert("messages".to_owned(), messages.into());
        let tools: Vec<Value> = ask.tools.iter().map(tool).collect();
        let optional = [
            ("temperature", ask.config.temperature.map(Value::from)),
            ("max_tokens", ask.config.max_tokens.map(Value::from)),
            ("response_format", ask.config.format.as_ref().map(format)),
            ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
            ("stream", ask.config.streams.then_some(Value::Bool(true))),
            ("stream_options", ask.config.streams.then(|| json!({ "include_usage": true }))),
        ];
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Value::Object(body)
    }

    fn read(&self, body: &Value, asked: &str) -> Option<Turn> {
        let choice = body.pointer("/choices/0")?;
        let calls: Vec<ToolCall> = choice.pointer("/message/tool_calls").map(calls).unwrap_or_default();
        // A refusal of the model stands beside the content, which is null then; so it is where tools are called.
        let said = text(choice, "/message/content").or_else(|| text(choice, "/message/refusal"));
        let said = if calls.is_empty() { said? } else { said.unwrap_or_default() };
        let raw = body.get("usage").cloned().unwrap_or_default();
        let usage = Usage {
            input_tokens: figure(&raw, "/prompt_tokens"),
            output_tokens: figure(&raw, "/completion_tokens"),
            cached_input_tokens: figure(&raw, "/prompt_tokens_details/cached_tokens"),
            unit: None,
            raw,
        };
        let finish_reason = choice.get("finish_reason").cloned().unwrap_or_default();
        let model = text(body, "/model").unwrap_or(asked);
        Some(Turn { calls, usage, finish_reason, ..Turn::said(Provider::OpenAi, model, said) })
    }

    fn piece<'e>(&self, event: &'e Value) -> Option<&'e str> {
        text(event, "/choices/0/delta/content")
    }

    fn assemble(&self, events: &[Value]) -> Option<Value> {
        let choices = || events.iter().filter_map(|event| event.pointer("/choices/0"));
        let finish_reason = choices().filter_map(|choice| text(choice, "/finish_reason")).next_back()?;
        let joined = |pointer: &str| {
            let pieces: Vec<&str> = choices().filter_map(|choice| text(choice, pointer)).collect();
            (!pieces.is_empty()).then(|| pieces.concat())
        };
        let mut calls: BTreeMap<u64, Value> = BTreeMap::new();
        let deltas = choices().filter_map(|choice| choice.pointer("/delta/tool_calls")?.as_array()).flatten();
        for delta in deltas {
            add_call(calls.entry(figure(delta, "/index").unwrap_or_default()).or_default(), delta);
        }
        let message = json!({
            "content": joined("/delta/content"),
            "refusal": joined("/delta/refusal"),
            "tool_calls": calls.into_values().collect::<Vec<_>>(),
        });
        Some(json!({
            "model": events.iter().find_map(|event| text(event, "/model")),
            "choices": [{ "message": message, "finish_reason": finish_reason }],
            "usage": events.iter().filter_map(|event| event.get("usage")).rfind(|usage| !usage.is_null()),
        }))
    }
}

/// Adds a piece to a call: its name comes at once, its input bit by bit.
fn add_call(call: &mut Value, piece: &Value) {
    let joined = |call: &Value, pointer: &str| {
        format!("{}{}", text(call, pointer).unwrap_or_default(), text(piece, pointer).unwrap_or_default())
    };
    let function = json!({
        "name": joined(call, "/function/name"), "arguments": joined(call, "/function/arguments"),
    });
    let id = text(call, "/id").or_else(|| text(piece, "/id")).map(str::to_owned);
    *call = json!({ "id": id, "type": "function", "function": function });
}

fn message(message: &Message) -> Vec<Value> {
    let said = |role: &str, text: &str| vec![json!({ "role": role, "content": text })];
    match message {
        Message::System(text) => said("system", text),
        Message::User(text) => said("user", text),
        Message::Assistant(text) => said("assistant", text),
        Message::Turn(turn) if turn.calls.is_empty() => said("assistant", &turn.text),
        Message::Turn(turn) => {
            let content = if turn.text.is_empty() { Value::Null } else { Value::from(turn.text.as_str()) };
            let calls: Vec<Value> = turn
                .calls
                .iter()
                .map(|call| {
                    let function = json!({ "name": call.name, "arguments": call.input.to_string() });
                    json!({ "id": call.id, "type": "function", "function": function })
                })
                .collect();
            vec![json!({ "role": "assistant", "content": content, "tool_calls": calls })]
        }
        Message::Results(results) => results
            .iter()
            .map(|result| {
                let content = if result.is_error { format!("error: {}", result.text()) } else { result.text() };
                json!({ "role": "tool", "tool_call_id": result.id, "content": content })
            })
            .collect(),
    }
}

fn tool(tool: &ToolSpec) -> Value {
    let function = json!({ "name": tool.name, "description": tool.description, "parameters": tool.input });
    json!({ "type": "function", "function": function })
}

fn format(format: &Format) -> Value {
    match format {
        Format::Json => json!({ "type": "json_object" }),
        Format::Native(format) => format.clone(),
        Format::Schema(schema) => {
            json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } })
        }
    }
}

/// Inputs come as text. One that is not JSON stays text, which fits no tool: the model is told so.
fn calls(calls: &Value) -> Vec<ToolCall> {
    let calls = calls.as_array().into_iter().flatten().enumerate();
    calls
        .filter_map(|(index, call)| {
            let given = text(call, "/function/arguments").unwrap_or_default();
            let given = if given.trim().is_empty() { "{}" } else { given };
            Some(ToolCall {
                id: text(call, "/id").map_or_else(|| format!("call_{index}"), str::to_owned),
                name: text(call, "/function/name")?.to_owned(),
                input: serde_json::from_str(given).unwrap_or_else(|_| Value::from(given)),
            })
        })
        .collect()
}
