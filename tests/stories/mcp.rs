//! An agent whose tools are those of a program that the operator declared, and a process that is killed in a call of one.

use std::path::Path;

use serde_json::json;

use crate::turbocat::{Folder, LOOK, Turbocat, within};

/// A server of tools. It writes down each call before it does anything, and never ends the second, the first time.
const SERVER: &str = r#"
import json, os, sys, time

ledger = os.environ["LEDGER"]
tool = {"name": "put", "description": "Puts it there.", "inputSchema": {
    "type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}

def call(params):
    key = params["_meta"]["idempotency-key"].split("/", 1)[1]
    calls = open(ledger).read() if os.path.exists(ledger) else ""
    with open(ledger, "a") as file:
        file.write(f"{key} {os.getpid()}\n")
    n = params["arguments"]["n"]
    if n == 2 and key not in calls:
        time.sleep(600)
    return {"content": [], "structuredContent": {"put": n}}

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "shelf", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [tool]}
    else:
        result = call(params)
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;

const TIDY: &str = r#"
name: tidy
output: "${{ steps.tidy.output.text }}"
steps:
  - { key: tidy, type: agent, agent: tidier, timeout_ms: 300000 }
---
kind: agent
name: tidier
type: llm
config:
  provider: offline
  prompt: Tidy up.
  tools: [{ mcp: shelf }]
  script:
    - { call: [{ tool: shelf.put, input: { n: 1 } }] }
    - { call: [{ tool: shelf.put, input: { n: 2 } }] }
    - { call: [{ tool: shelf.put, input: { n: 3 } }] }
    - { say: "${{ output[0].put }}" }
"#;

/// The calls that were written down, and the process that did each.
fn calls(ledger: &Path) -> Vec<(String, u32)> {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    let read = |line: &str| line.split_once(' ').map(|(key, process)| (key.to_owned(), process.parse().unwrap()));
    text.lines().filter_map(read).collect()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(LOOK);
    within(what, async {
        while !is_so() {
            look.tick().await;
        }
    })
    .await;
}

fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[tokio::test]
async fn a_server_of_tools_dies_with_its_worker_and_only_the_call_in_flight_is_made_again() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3");
        return;
    }
    let folder = Folder::new("mcp");
    let ledger = folder.path().join("ledger");
    let server = folder.write("shelf.py", SERVER);
    let declaration = json!({ "command": "python3", "args": [server], "env": { "LEDGER": ledger } });
    let turbocat = Turbocat::with_database().await.with_variable("TURBOCAT_MCP_SHELF", &declaration.to_string());
    let file = folder.write("tidy.yaml", TIDY);

    let findings = turbocat.run(&["doctor", "--json"]).await.values();
    let finding = findings.iter().find(|finding| finding["what"] == "mcp server").unwrap();
    assert_eq!((&finding["verdict"], &finding["found"]), (&json!("ok"), &json!("shelf: 1 tool")));

    let mut run = turbocat.start(&["run", &file, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap().to_owned();
    until("the second call", || calls(&ledger).len() == 2).await;
    let (_, program) = calls(&ledger)[1].clone();
    assert!(is_running(program));
    run.signal("KILL").await;
    run.end().await;
    until("the end of the program", || !is_running(program)).await;

    let (up, _) = turbocat.up().await;
    let shown = turbocat.until(&id, "completed").await;
    assert_eq!(shown["output"], json!("3"));
    let keys: Vec<String> = calls(&ledger).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["tidy/call.1.1", "tidy/call.2.1", "tidy/call.2.1", "tidy/call.3.1"]);
    // What was done on the way is shown, the tools that there were first.
    let parts = shown["parts"].as_array().unwrap();
    let of = |part: &serde_json::Value| part["tool"].as_str().or(part["model"].as_str()).map(str::to_owned);
    let seen: Vec<_> = parts.iter().map(|part| (part["key"].as_str().unwrap().to_owned(), of(part))).collect();
    assert_eq!(seen[0], ("tools.shelf".to_owned(), None));
    assert_eq!(seen[1], ("turn.1".to_owned(), Some("offline-script".to_owned())));
    assert_eq!(seen[2], ("call.1.1".to_owned(), Some("shelf.put".to_owned())));
    assert_eq!(seen.len(), 8);
    let told = turbocat.run(&["executions", "show", &id]).await.success().stdout;
    assert!(told.contains("call.2.1") && told.contains("shelf.put"), "{told}");
    up.signal("TERM").await;
    up.end().await;
}
