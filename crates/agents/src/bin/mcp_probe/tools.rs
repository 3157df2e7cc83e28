//! What the server of tools of the tests can do, and cannot.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

/// The server, and how often it was called.
#[derive(Debug, Default)]
pub(crate) struct Server {
    calls: u64,
}

impl Server {
    /// The answer to a message; `None` to one that wants none.
    pub(crate) fn answer(&mut self, message: &Value) -> Option<Value> {
        let id = message.get("id")?;
        let params = message.get("params").cloned().unwrap_or_default();
        let answer = match message.get("method").and_then(Value::as_str)? {
            "initialize" => Ok(json!({
                "protocolVersion": params.get("protocolVersion"), "capabilities": { "tools": {} },
                "serverInfo": { "name": "probe", "version": "1" },
            })),
            "tools/list" => Ok(list(&params)),
            "tools/call" => self.call(&params)?,
            "ping" => Ok(json!({})),
            other => Err(json!({ "code": -32601, "message": format!("no method {other}") })),
        };
        Some(match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
        })
    }

    /// `None` to a call that is never answered.
    fn call(&mut self, params: &Value) -> Option<Result<Value, Value>> {
        self.calls += 1;
        let input = &params["arguments"];
        Some(Ok(match params["name"].as_str().unwrap_or_default() {
            "add" => says(&(input["a"].as_i64().unwrap_or(0) + input["b"].as_i64().unwrap_or(0)).to_string()),
            "count" => says(&self.calls.to_string()),
            "key" => json!({ "content": [], "structuredContent": { "key": params.pointer("/_meta/idempotency-key") } }),
            "fail" => json!({ "isError": true, "content": [{ "type": "text", "text": "the drawer is stuck" }] }),
            "die" => {
                eprintln!("I give up");
                std::process::exit(3);
            }
            "hang" => return None,
            "large" => says(&"x".repeat(5 << 20)),
            "surroundings" => json!({ "content": [], "structuredContent": surroundings() }),
            "child" => says(&child().to_string()),
            "odd.name" => says("odd"),
            _ => return Some(Err(json!({ "code": -32602, "message": "no such tool" }))),
        }))
    }
}

fn says(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// Two pages, so that who reads one alone is found out.
fn list(params: &Value) -> Value {
    let tool = |name: &&str| json!({ "name": name, "description": format!("Does {name}."), "inputSchema": { "type": "object" } });
    if params["cursor"] == "more" {
        let names = ["fail", "die", "hang", "large", "surroundings", "child", "odd.name"];
        return json!({ "tools": names.iter().map(tool).collect::<Vec<_>>() });
    }
    let number = json!({ "type": "integer" });
    let input = json!({ "type": "object", "required": ["a", "b"], "properties": { "a": number, "b": number } });
    let mut tools: Vec<Value> = ["count", "key"].iter().map(tool).collect();
    tools.push(json!({ "name": "add", "description": "Adds.", "inputSchema": input }));
    json!({ "tools": tools, "nextCursor": "more" })
}

fn surroundings() -> Value {
    let environment: Map<String, Value> = std::env::vars().map(|(name, value)| (name, Value::String(value))).collect();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = |text: &str, start: &str| text.lines().find(|line| line.starts_with(start)).map(str::to_owned);
    json!({
        "environment": environment, "process": std::process::id(), "folder": std::env::current_dir().ok(),
        "no_new_privileges": line(&status, "NoNewPrivs"), "memory": line(&limits, "Max data size"),
    })
}

/// Starts a process that would outlive this one, and returns its id.
fn child() -> u32 {
    let started = Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    started.map_or(0, |child| child.id())
}
