//! The `generateContent` API of Gemini.

use serde_json::{Map, Value, json};

use super::{Dialect, figure, system, text};
use crate::llm::{
    chat::{Ask, Message, ToolCall, ToolResult, Turn, Usage},
    config::{Format, Provider},
};

/// Speaks to it.
pub(super) struct Gemini;

impl Dialect for Gemini {
    fn path(&self, ask: &Ask<'_>) -> String {
        let verb = if ask.config.streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/models/{}:{verb}", ask.model)
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }

    fn body(&self, ask: &Ask<'_>) -> Value {
        let contents: Vec<Value> = ask.messages.iter().filter_map(content).collect();
        let mut body = Map::new();
        body.insert("contents".to_owned(), contents.into());
        if let Some(system) = system(ask) {
            body.insert("systemInstruction".to_owned(), json!({ "parts": [{ "text": system }] }));
        }
        let generation = generation(ask);
        if !generation.is_empty() {
            body.insert("generationConfig".to_owned(), Value::Object(generation));
        }
        if !ask.tools.is_empty() {
            let tools = ask.tools.iter().map(|tool| {
                json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": tool.input })
            });
            body.insert("tools".to_owned(), json!([{ "functionDeclarations": tools.collect::<Vec<_>>() }]));
        }
        Value::Object(body)
    }

    fn read(&self, body: &Value, asked: &str) -> Option<Turn> {
        let candidate = body.pointer("/candidates/0")?;
        let finish_reason = candidate.get("finishReason").cloned().unwrap_or_default();
        // A candidate that was stopped before it said anything has no parts, but a reason.
        let none = Vec::new();
        let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
        if parts.is_none() && finish_reason.is_null() {
            return None;
        }
        let parts = parts.unwrap_or(&none);
        let is_thought = |part: &&Value| part.get("thought") == Some(&Value::Bool(true));
        let said: Vec<&str> =
            parts.iter().filter(|part| !is_thought(part)).filter_map(|part| text(part, "/text")).collect();
        let calls = parts.iter().filter_map(|part| part.get("functionCall")).enumerate();
        let calls = calls.filter_map(|(index, call)| {
            Some(ToolCall {
                id: text(call, "/id").map_or_else(|| format!("call_{index}"), str::to_owned),
                name: text(call, "/name")?.to_owned(),
                input: call.get("args").cloned().unwrap_or_else(|| json!({})),
            })
        });
        let raw = body.get("usageMetadata").cloned().unwrap_or_default();
        let thought = figure(&raw, "/thoughtsTokenCount").unwrap_or_default();
        let usage = Usage {
            input_tokens: figure(&raw, "/promptTokenCount"),
            // What was thought is paid for as what was said.
            output_tokens: figure(&raw, "/candidatesTokenCount").map(|tokens| tokens + thought),
            cached_input_tokens: figure(&raw, "/cachedContentTokenCount"),
            unit: None,
            raw,
        };
        let model = text(body, "/modelVersion").unwrap_or(asked);
        let (native, calls) = (Value::Array(parts.clone()), calls.collect());
        Some(Turn { calls, usage, finish_reason, native, ..Turn::said(Provider::Gemini, model, said.concat()) })
    }

    fn piece<'e>(&self, event: &'e Value) -> Option<&'e str> {
        let part = event.pointer("/candidates/0/content/parts/0").filter(|part| part.get("thought").is_none())?;
        text(part, "/text")
    }

    fn assemble(&self, events: &[Value]) -> Option<Value> {
        let last = |pointer: &str| events.iter().filter_map(|event| event.pointer(pointer)).next_back().cloned();
        let finish_reason = last("/candidates/0/finishReason")?;
        let parts =
            events.iter().filter_map(|event| event.pointer("/candidates/0/content/parts")?.as_array()).flatten();
        let content = json!({ "role": "model", "parts": parts.collect::<Vec<_>>() });
        Some(json!({
            "candidates": [{ "content": content, "finishReason": finish_reason }],
            "usageMetadata": last("/usageMetadata"),
            "modelVersion": last("/modelVersion"),
        }))
    }
}

fn generation(ask: &Ask<'_>) -> Map<String, Value> {
    let config = ask.config;
    let (is_json, schema) = match &config.format {
        Some(Format::Schema(schema)) => (true, Some(schema.clone())),
        Some(Format::Json | Format::Native(_)) => (true, None),
        None => (false, None),
    };
    // The API does not take a form of the answer beside tools; then the answer is checked, and asked for again.
    let takes_form = is_json && ask.tools.is_empty();
    let optional = [
        ("temperature", config.temperature.map(Value::from)),
        ("maxOutputTokens", config.max_tokens.map(Value::from)),
        ("responseMimeType", takes_form.then(|| Value::from("application/json"))),
        ("responseJsonSchema", schema.filter(|_| takes_form)),
    ];
    optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn content(message: &Message) -> Option<Value> {
    let said = |role: &str, text: &str| json!({ "role": role, "parts": [{ "text": text }] });
    Some(match message {
        Message::System(_) => return None,
        Message::User(text) => said("user", text),
        Message::Assistant(text) => said("model", text),
        // The signatures of its thoughts must come back as they were.
        Message::Turn(turn) if turn.provider == Provider::Gemini => json!({ "role": "model", "parts": turn.native }),
        Message::Turn(turn) => {
            let said = (!turn.text.is_empty()).then(|| json!({ "text": turn.text }));
            let calls =
                turn.calls.iter().map(|call| json!({ "functionCall": { "name": call.name, "args": call.input } }));
            json!({ "role": "model", "parts": said.into_iter().chain(calls).collect::<Vec<_>>() })
        }
        Message::Results(results) => {
            json!({ "role": "user", "parts": results.iter().map(result).collect::<Vec<_>>() })
        }
    })
}

fn result(result: &ToolResult) -> Value {
    let key = if result.is_error { "error" } else { "output" };
    let response = json!({ key: result.output });
    let id = (!result.id.starts_with("call_")).then_some(&result.id);
    match id {
        Some(id) => json!({ "functionResponse": { "id": id, "name": result.name, "response": response } }),
        None => json!({ "functionResponse": { "name": result.name, "response": response } }),
    }
}
