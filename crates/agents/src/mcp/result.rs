//! What a call of a tool came to, in the form that models are given.

use rmcp::model::CallToolResult;
use serde_json::{Value, json};
use turbocat_domain::step_run::StepError;

/// The structured content, if there is some; else the texts. What is neither is named, without its bytes: it is not
/// what a model reads.
pub(super) fn output(result: CallToolResult) -> Result<Value, StepError> {
    let is_error = result.is_error == Some(true);
    let blocks: Vec<Value> = result.content.iter().filter_map(|block| serde_json::to_value(block).ok()).collect();
    if is_error {
        let text = text_of(&blocks);
        let message = if text.is_empty() { "the tool failed and does not say why".to_owned() } else { text };
        return Err(StepError::permanent("tool_error", message));
    }
    if let Some(structured) = result.structured_content {
        return Ok(structured);
    }
    let is_text = |block: &Value| block.get("type").and_then(Value::as_str) == Some("text");
    if blocks.iter().all(is_text) {
        return Ok(Value::String(text_of(&blocks)));
    }
    Ok(blocks.into_iter().map(named).collect())
}

/// All texts, a line each.
fn text_of(blocks: &[Value]) -> String {
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect();
    texts.join("\n")
}

/// A block without the bytes of what is no text.
fn named(block: Value) -> Value {
    let text = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    match block.get("type").and_then(Value::as_str) {
        Some(kind @ ("image" | "audio")) => {
            let characters = block.get("data").and_then(Value::as_str).map_or(0, str::len);
            json!({ "type": kind, "mimeType": text(&block, "mimeType"), "base64_characters": characters })
        }
        Some("resource") => {
            let resource = text(&block, "resource");
            match resource.get("text") {
                Some(content) => json!({ "type": "resource", "uri": text(&resource, "uri"), "text": content }),
                None => json!({
                    "type": "resource", "uri": text(&resource, "uri"), "mimeType": text(&resource, "mimeType"),
                }),
            }
        }
        _ => block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: Value) -> Result<Value, StepError> {
        output(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn structure_stands_before_text_and_bytes_are_left_out() {
        let text = |text: &str| json!({ "type": "text", "text": text });

        assert_eq!(read(json!({ "content": [text("a"), text("b")] })), Ok(json!("a\nb")));
        assert_eq!(read(json!({ "content": [] })), Ok(json!("")));
        let both = json!({ "content": [text("{\"a\":1}")], "structuredContent": { "a": 1 } });
        assert_eq!(read(both), Ok(json!({ "a": 1 })));
        let picture = json!({ "type": "image", "data": "AAAA", "mimeType": "image/png" });
        let shown = json!([text("a"), { "type": "image", "mimeType": "image/png", "base64_characters": 4 }]);
        assert_eq!(read(json!({ "content": [text("a"), picture] })), Ok(shown));
        let resource = json!({ "type": "resource", "resource": { "uri": "file:///a", "text": "in it" } });
        let shown = json!([{ "type": "resource", "uri": "file:///a", "text": "in it" }]);
        assert_eq!(read(json!({ "content": [resource] })), Ok(shown));
    }

    #[test]
    fn an_error_of_the_tool_is_one() {
        let failed = json!({ "isError": true, "content": [{ "type": "text", "text": "no such file" }] });

        assert_eq!(read(failed), Err(StepError::permanent("tool_error", "no such file")));
    }
}
