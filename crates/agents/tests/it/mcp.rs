//! LLM agents that call the tools of MCP servers: a program of the operator's, and a server by HTTP.

#[path = "../../src/bin/mcp_probe/tools.rs"]
mod tools;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, McpServer, McpServers, NamedSecret, Secret};
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner, PartKind},
    step_run::StepError,
};
use turbocat_testkit::host::MemoryHost;

use crate::support::{Lines, call, config, eventually, exists, local_config};

/// The program of the tests, declared as `probe`, with what an operator may say beside the command.
fn declared(more: &Value) -> McpServers {
    let mut declaration = json!({ "command": env!("CARGO_BIN_EXE_turbocat-mcp-probe") });
    declaration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    McpServers::from([("probe".to_owned(), McpServer::parse(&declaration.to_string()).unwrap())])
}

fn with_probe() -> AgentsConfig {
    AgentsConfig { mcp: declared(&json!({})), ..config() }
}

/// An agent whose script makes these calls, one a turn, and then says what came of the last.
fn calling(host: &MemoryHost, tool: Value, calls: &[(&str, Value)]) -> AgentCall {
    let mut script: Vec<Value> =
        calls.iter().map(|(tool, input)| json!({ "call": [{ "tool": tool, "input": input }] })).collect();
    script.push(json!({ "say": "${{ output[0] }}" }));
    let config = json!({ "provider": "offline", "prompt": "go", "tools": [tool], "script": script });
    AgentCall { host: Arc::new(host.clone()), path: "step".to_owned(), ..call(AgentType::Llm, config) }
}

async fn run_with(setup: AgentsConfig, call: AgentCall) -> Result<Value, StepError> {
    Agents::new(setup).unwrap().run(call, Arc::new(Lines::default())).await
}

async fn said(setup: AgentsConfig, host: &MemoryHost, calls: &[(&str, Value)]) -> Value {
    run_with(setup, calling(host, json!({ "mcp": "probe" }), calls)).await.unwrap()["text"].clone()
}

#[tokio::test]
async fn the_tools_of_a_program_are_found_and_called_and_both_are_parts_of_the_step() {
    let host = MemoryHost::default();

    assert_eq!(said(with_probe(), &host, &[("probe.add", json!({ "a": 1, "b": 2 }))]).await, "3");

    let parts = host.parts();
    let keys: Vec<_> = parts.iter().map(|part| (part.key.as_str(), part.kind)).collect();
    let expected = [
        ("tools.probe", PartKind::Tools),
        ("turn.1", PartKind::Turn),
        ("call.1.1", PartKind::Call),
        ("turn.2", PartKind::Turn),
    ];
    assert_eq!(keys, expected);
    // All pages were read, and what the model is told is what the server says.
    let tools = parts[0].data["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 10);
    assert_eq!(tools[2]["input"]["required"], json!(["a", "b"]));
    assert_eq!((&parts[2].data["tool"], &parts[2].data["output"]), (&json!("probe.add"), &json!("3")));
    assert!(parts[2].data["duration_ms"].is_u64() && parts[1].data["duration_ms"].is_u64());
}

#[tokio::test]
async fn a_call_carries_its_key_and_is_not_made_again_when_it_was_recorded() {
    let host = MemoryHost::default();
    let call = calling(&host, json!({ "mcp": "probe" }), &[("probe.key", json!({})), ("probe.count", json!({}))]);
    let key = format!("{}/step/call.1.1", call.execution_id.as_uuid());
    // The list, a turn, its call, the next turn; then the worker is lost in the second call.
    host.lose_after(Some(4));
    let lost = run_with(with_probe(), call.clone()).await.unwrap_err();
    assert_eq!(lost.code, "lease_lost");
    host.lose_after(None);

    let answer = run_with(with_probe(), call).await.unwrap();

    assert_eq!(host.parts()[2].data["output"], json!({ "key": key }));
    // The first call of a new program: neither the list nor the first call was asked for again.
    assert_eq!(answer["text"], "1");
}

#[tokio::test]
async fn a_conversation_that_was_recorded_goes_on_with_the_tools_it_began_with() {
    let host = MemoryHost::default();
    let call = calling(&host, json!({ "mcp": "probe" }), &[("probe.add", json!({ "a": 1, "b": 2 }))]);
    run_with(with_probe(), call.clone()).await.unwrap();

    // The server cannot be started any more, and is not asked.
    let gone = McpServers::from([("probe".to_owned(), McpServer::parse(r#"{ "command": "/nowhere" }"#).unwrap())]);
    let answer = run_with(AgentsConfig { mcp: gone, ..config() }, call).await.unwrap();

    assert_eq!(answer["text"], "3");
}

#[tokio::test]
async fn what_a_tool_or_its_server_does_wrong_is_told_to_the_model() {
    let slow = json!({ "mcp": "probe", "timeout_ms": 300 });
    for (tool, told) in [
        ("fail", "tool_error: the drawer is stuck"),
        ("die", "mcp_unavailable: the server's program broke off"),
        ("die", "it said: I give up"),
        ("hang", "timeout: the tool took longer than 300 ms"),
    ] {
        let host = MemoryHost::default();
        let name = format!("probe.{tool}");
        let answer = run_with(with_probe(), calling(&host, slow.clone(), &[(&name, json!({}))])).await.unwrap();
        assert!(answer["text"].as_str().unwrap().contains(told), "{tool}: {}", answer["text"]);
    }
    let large = said(with_probe(), &MemoryHost::default(), &[("probe.large", json!({}))]).await;
    assert!(large.as_str().unwrap().starts_with("output_too_large: "), "{large}");
    let unfit = said(with_probe(), &MemoryHost::default(), &[("probe.add", json!({ "a": "one" }))]).await;
    assert!(unfit.as_str().unwrap().contains("does not fit its schema"), "{unfit}");
}

#[tokio::test]
async fn a_program_that_died_is_started_again_for_the_next_call() {
    let calls = [("probe.count", json!({})), ("probe.die", json!({})), ("probe.count", json!({ "again": true }))];

    assert_eq!(said(with_probe(), &MemoryHost::default(), &calls).await, "1");
}

#[tokio::test]
async fn a_program_has_its_own_environment_its_limits_and_nothing_of_the_servers() {
    let mcp = declared(&json!({
        "env": { "SHELF": "upper" }, "secrets": { "TOKEN": "t0p-secret" }, "cwd": "/tmp", "memory_mb": 64,
    }));
    let setup = AgentsConfig { mcp, ..config() };
    let host = MemoryHost::default();
    said(setup, &host, &[("probe.surroundings", json!({}))]).await;

    let seen = host.parts()[2].data["output"].clone();
    assert_eq!((&seen["environment"]["SHELF"], &seen["folder"]), (&json!("upper"), &json!("/tmp")));
    // It was given it; what it hands back of it is taken out.
    assert_eq!(seen["environment"]["TOKEN"], "[secret]");
    assert!(seen["environment"].get("CARGO_MANIFEST_DIR").is_none(), "{seen}");
    assert!(seen["no_new_privileges"].as_str().unwrap().ends_with('1'), "{seen}");
    assert!(seen["memory"].as_str().unwrap().contains(&(64 << 20).to_string()), "{seen}");
}

#[tokio::test]
async fn a_program_and_what_it_started_are_gone_with_the_attempt() {
    let host = MemoryHost::default();
    said(with_probe(), &host, &[("probe.child", json!({})), ("probe.surroundings", json!({}))]).await;

    let parts = host.parts();
    let child: u32 = parts[2].data["output"].as_str().unwrap().parse().unwrap();
    let program = u32::try_from(parts[4].data["output"]["process"].as_u64().unwrap()).unwrap();
    assert_ne!(child, 0);
    for process in [child, program] {
        let is_gone = || {
            let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            (!exists(process) || state.contains(") Z ")).then_some(())
        };
        eventually("the end of the processes", is_gone).await;
    }
}

#[tokio::test]
async fn only_what_is_chosen_is_there_and_names_are_such_as_providers_take() {
    let host = MemoryHost::default();
    let tool = json!({ "name": "box", "mcp": "probe", "only": ["odd.name", "count"] });
    let answer = run_with(with_probe(), calling(&host, tool, &[("box__odd_name", json!({}))])).await.unwrap();
    assert_eq!(answer["text"], "odd");
    assert_eq!(host.parts()[0].data["tools"].as_array().unwrap().len(), 2);

    let tool = json!({ "mcp": "probe", "only": ["nothing"] });
    let error = run_with(with_probe(), calling(&MemoryHost::default(), tool, &[])).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("mcp_unknown_tool", false), "{error}");
}

#[tokio::test]
async fn a_model_is_told_of_the_tools_by_names_that_its_api_takes() {
    let function = json!({ "name": "probe__add", "arguments": "{\"a\":1,\"b\":2}" });
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "c1", "type": "function", "function": function },
    ] });
    let turn = |message: Value| {
        let body = json!({ "choices": [{ "message": message, "finish_reason": "stop" }] });
        crate::server::json_answer("200 OK", &body.to_string())
    };
    let said = turn(json!({ "role": "assistant", "content": "3" }));
    let model = crate::server::Server::answering_in_turn(vec![turn(message), said]).await;
    let llm = LlmConfig { base_url: Some(model.url("/v1")), ..LlmConfig::default() };
    let host = MemoryHost::default();
    let config = json!({ "provider": "openai", "model": "m", "prompt": "1 and 2?", "tools": [{ "mcp": "probe" }] });
    let call = AgentCall { host: Arc::new(host.clone()), ..call(AgentType::Llm, config) };

    let answer = run_with(AgentsConfig { llm, ..with_probe() }, call).await.unwrap();

    assert_eq!(answer["text"], "3");
    let bodies = model.bodies();
    let told = &bodies[0]["tools"][2]["function"];
    assert_eq!((&told["name"], &told["description"]), (&json!("probe__add"), &json!("Adds.")));
    assert_eq!(told["parameters"]["required"], json!(["a", "b"]));
    assert_eq!(bodies[1]["messages"][2]["content"], "3");
    assert_eq!(host.parts()[2].data["tool"], "probe.add");
}

#[tokio::test]
async fn a_server_that_is_not_declared_or_does_not_start_is_an_error_of_the_attempt() {
    let call = || calling(&MemoryHost::default(), json!({ "mcp": "probe" }), &[]);
    let error = run_with(config(), call()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("mcp_unknown_server", false), "{error}");

    for command in ["/nowhere/server", "/bin/true"] {
        let declaration = json!({ "command": command }).to_string();
        let mcp = McpServers::from([("probe".to_owned(), McpServer::parse(&declaration).unwrap())]);
        let error = run_with(AgentsConfig { mcp, ..config() }, call()).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("mcp_unavailable", true), "{error}");
        assert!(error.message.starts_with("the MCP server `probe`: "), "{error}");
        assert!(command == "/bin/true" || error.message.contains("`/nowhere/server` does not start"), "{error}");
    }
}

/// The same server by HTTP; it remembers the heads of what it was asked.
struct Remote {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Remote {
    async fn start(streams: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (server, seen) = (Arc::new(Mutex::new(tools::Server::default())), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&server), (Arc::clone(&seen), streams)));
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Answers one request and closes the connection.
async fn serve(
    mut stream: TcpStream,
    server: Arc<Mutex<tools::Server>>,
    (heads, streams): (Arc<Mutex<Vec<String>>>, bool),
) {
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(length @ 1..) => request.extend_from_slice(&chunk[..length]),
            _ => return,
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    heads.lock().unwrap().push(head.clone());
    let answer =
        head.starts_with("POST ").then(|| server.lock().unwrap().answer(&serde_json::from_str(&body).unwrap()));
    let (status, kind, body) = match answer {
        Some(Some(answer)) if streams => {
            ("200 OK", "text/event-stream", format!("event: message\r\ndata: {answer}\r\n\r\n"))
        }
        Some(Some(answer)) => ("200 OK", "application/json", answer.to_string()),
        Some(None) => ("202 Accepted", "text/plain", String::new()),
        None if head.starts_with("DELETE ") => ("204 No Content", "text/plain", String::new()),
        None => ("405 Method Not Allowed", "text/plain", String::new()),
    };
    let length = if status.starts_with("204") { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nmcp-session-id: s1\r\n{length}connection: close");
    let _gone = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
}

fn mine(host: &str) -> AgentsConfig {
    let secret = NamedSecret { value: Secret::new("t0p-secret"), hosts: vec![host.to_owned()] };
    AgentsConfig { secrets: [("MINE".to_owned(), secret)].into(), ..local_config() }
}

fn at(remote: &Remote) -> Value {
    let auth = json!({ "type": "bearer", "token": "${{ secrets.MINE }}" });
    json!({ "name": "probe", "mcp": { "url": remote.url, "auth": auth, "headers": { "X-Shelf": "upper" } } })
}

#[tokio::test]
async fn the_tools_of_a_server_by_http_are_called_whole_or_in_a_stream() {
    for streams in [false, true] {
        let remote = Remote::start(streams).await;
        let host = MemoryHost::default();
        let calls = [("probe.add", json!({ "a": 20, "b": 3 })), ("probe.key", json!({}))];

        let answer = run_with(mine("127.0.0.1"), calling(&host, at(&remote), &calls)).await.unwrap();

        assert!(answer["text"].as_str().unwrap().contains("/step/call.2.1"), "{answer}");
        assert_eq!(host.parts()[2].data["output"], "23");
        let heads = remote.heads();
        let posts: Vec<_> = heads.iter().filter(|head| head.starts_with("POST /mcp ")).collect();
        // The greeting and its echo, two pages, two calls.
        assert_eq!(posts.len(), 6, "{heads:?}");
        for head in posts {
            assert!(head.contains("authorization: Bearer t0p-secret"), "{head}");
            assert!(head.contains("x-shelf: upper"), "{head}");
        }
    }
}

#[tokio::test]
async fn what_a_step_asks_of_a_server_by_http_belongs_to_its_trace() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (host, calls) = (MemoryHost::default(), [("probe.add", json!({ "a": 1, "b": 2 }))]);
    let told = async |tool: &dyn Fn(&Remote) -> Value| {
        let remote = Remote::start(false).await;
        let run = run_with(mine("127.0.0.1"), calling(&host, tool(&remote), &calls));
        turbocat_trace::told(turbocat_trace::Traceparent::parse(TRACE), run).await.unwrap();
        let heads = remote.heads();
        let told = heads.iter().filter_map(|head| head.lines().find_map(|line| line.strip_prefix("traceparent: ")));
        told.map(str::to_owned).collect::<Vec<_>>()
    };

    // Two pages of tools, and the call; what opens and ends the session is for all that use it.
    assert_eq!(told(&at).await, [TRACE; 3]);
    let own = |remote: &Remote| json!({ "name": "probe", "mcp": { "url": remote.url, "headers": { "traceparent": "the author's" } } });
    assert!(told(&own).await.iter().all(|trace| trace == "the author's"));
}

#[tokio::test]
async fn the_rules_of_the_egress_hold_for_servers_by_http() {
    let remote = Remote::start(false).await;
    let call = || calling(&MemoryHost::default(), at(&remote), &[]);

    // Not a public address, and not allowed.
    let error = run_with(AgentsConfig { egress: config().egress, ..mine("127.0.0.1") }, call()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("egress_denied", false), "{error}");
    // A name that resolves to one.
    let url = remote.url.replace("127.0.0.1", "localhost");
    let tool = json!({ "name": "probe", "mcp": { "url": url } });
    let error = run_with(config(), calling(&MemoryHost::default(), tool, &[])).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("egress_denied", false), "{error}");
    // A secret that is not meant for it.
    let error = run_with(mine("example.com"), call()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("secret_not_allowed", false), "{error}");
    assert!(remote.heads().is_empty(), "{:?}", remote.heads());

    // What the operator declares is reached wherever it is.
    let declaration = json!({ "url": remote.url, "headers": { "Authorization": "Bearer operators" } }).to_string();
    let mcp = McpServers::from([("probe".to_owned(), McpServer::parse(&declaration).unwrap())]);
    let setup = AgentsConfig { mcp, ..config() };
    assert_eq!(said(setup, &MemoryHost::default(), &[("probe.add", json!({ "a": 1, "b": 1 }))]).await, "2");
    assert!(remote.heads()[0].contains("authorization: Bearer operators"));
}

#[tokio::test]
async fn the_refusals_of_a_server_by_http_are_classified() {
    for (answer, code, retryable) in [
        ("HTTP/1.1 503 Service Unavailable\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n", "mcp_unavailable", true),
        ("HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n", "mcp_unavailable", true),
        (
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n",
            "mcp_unauthorized",
            false,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>", "mcp_refused", false),
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "mcp_refused", false),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n",
            "output_too_large",
            false,
        ),
    ] {
        let server = crate::server::Server::answering(answer).await;
        let tool = json!({ "name": "probe", "mcp": { "url": server.url("/mcp") } });
        let error = run_with(local_config(), calling(&MemoryHost::default(), tool, &[])).await.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{answer}: {error}");
        assert_eq!(error.retry_after_ms, retryable.then_some(3_000), "{answer}");
    }
    let tool = json!({ "name": "probe", "mcp": { "url": "http://127.0.0.1:1/mcp" } });
    let error = run_with(local_config(), calling(&MemoryHost::default(), tool, &[])).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("connect_failed", true), "{error}");
}

#[tokio::test]
async fn what_an_author_says_of_a_server_is_checked_when_the_agent_is_published() {
    let agents = Agents::new(config()).unwrap();
    for (tool, place) in [
        (json!({ "mcp": "" }), "tools[0].mcp"),
        (json!({ "mcp": "probe", "only": [] }), "tools[0].only"),
        (json!({ "mcp": "probe", "input": { "type": "object" } }), "tools[0].input"),
        (json!({ "mcp": "probe", "agent": "a" }), "tools[0].agent"),
        (json!({ "mcp": { "url": "https://a.example" } }), "tools[0].name"),
        (json!({ "name": "a", "mcp": { "url": "https://a.example", "command": "sh" } }), "tools[0].mcp.command"),
        (json!({ "name": "a", "mcp": { "url": "file:///etc" } }), "tools[0].mcp.url"),
        (json!({ "agent": "a", "only": ["b"] }), "tools[0].only"),
    ] {
        let config = json!({ "provider": "offline", "prompt": "go", "tools": [tool] });
        let problems = agents.check(AgentType::Llm, &config).await.unwrap_err();
        let places: Vec<String> = problems.into_iter().map(|problem| problem.path).collect();
        assert!(places.contains(&place.to_owned()), "{tool}: {places:?}");
    }
    assert!(PathBuf::from(env!("CARGO_BIN_EXE_turbocat-mcp-probe")).exists());
}
