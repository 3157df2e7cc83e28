//! Answers of models that come in pieces.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, LlmEndpoint};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution_log::LogLevel,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
    value::Name,
};
use turbocat_testkit::host::MemoryHost;

use crate::{
    server::Server,
    support::{Lines, call, local_config},
};

/// Events as a server sends them, the connection closed behind them.
fn events(events: &[Value]) -> Vec<u8> {
    let body = events.iter().map(|event| format!("event: e\r\ndata: {event}\r\n\r\n")).collect::<Vec<_>>().concat();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn asking(provider: &str) -> (AgentCall, MemoryHost) {
    let adder = Agent::clone(&call(AgentType::Data, json!({ "program": ".a + .b" })).agent);
    let host = MemoryHost::default().with_agent(Agent { name: Name::parse("adder").unwrap(), ..adder });
    let config = json!({ "provider": provider, "prompt": "1 and 2?", "stream": true, "tools": [{ "agent": "adder" }] });
    (AgentCall { host: Arc::new(host.clone()), ..call(AgentType::Llm, config) }, host)
}

async fn run(server: &Server, call: AgentCall) -> (Result<Value, StepError>, Vec<String>) {
    let endpoint = LlmEndpoint { base_url: Some(server.url("")), ..LlmEndpoint::default() };
    let llm = LlmConfig {
        base_url: Some(server.url("")),
        anthropic: endpoint.clone(),
        gemini: endpoint,
        ..LlmConfig::default()
    };
    let lines = Arc::new(Lines::default());
    let answer = Agents::new(AgentsConfig { llm, ..local_config() }).unwrap().run(call, lines.clone()).await;
    let shown =
        lines.take().into_iter().filter(|(level, line)| *level == LogLevel::Info && !line.starts_with("calls "));
    (answer, shown.map(|(_, line)| line).collect())
}

fn openai_piece(delta: &Value) -> Value {
    json!({ "model": "m-1", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn openai_end(reason: &str) -> [Value; 2] {
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 2 });
    [
        json!({ "model": "m-1", "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }),
        json!({ "model": "m-1", "choices": [], "usage": usage }),
    ]
}

#[tokio::test]
async fn the_pieces_of_openai_are_shown_as_they_come_and_put_together() {
    let call = |index: u32, more: Value| openai_piece(&json!({ "tool_calls": [{ "index": index, "function": more }] }));
    let mut first = vec![
        openai_piece(&json!({ "role": "assistant", "content": "" })),
        openai_piece(&json!({ "content": "I a" })),
        openai_piece(&json!({ "content": "dd.\nTwice" })),
        openai_piece(&json!({ "tool_calls": [
            { "index": 0, "id": "c1", "type": "function", "function": { "name": "adder", "arguments": "" } },
        ] })),
        call(0, json!({ "arguments": "{\"a\":1," })),
        openai_piece(&json!({ "tool_calls": [
            { "index": 1, "id": "c2", "type": "function", "function": { "name": "adder", "arguments": "{\"a\":3,\"b\":4}" } },
        ] })),
        call(0, json!({ "arguments": "\"b\":2}" })),
    ];
    first.extend(openai_end("tool_calls"));
    let words = "word ".repeat(100);
    let mut second = vec![openai_piece(&json!({ "content": words }))];
    second.extend(openai_end("stop"));
    let server = Server::answering_in_turn(vec![events(&first), events(&second)]).await;
    let (asked, _) = asking("openai");

    let (answer, shown) = run(&server, asked).await;

    let answer = answer.unwrap();
    assert_eq!(answer["text"], words);
    assert_eq!(answer["usage"]["input_tokens"], 10);
    let bodies = server.bodies();
    assert_eq!((&bodies[0]["stream"], &bodies[0]["stream_options"]["include_usage"]), (&json!(true), &json!(true)));
    let said = &bodies[1]["messages"];
    assert_eq!(said[1]["content"], "I add.\nTwice");
    assert_eq!(said[1]["tool_calls"][0]["function"]["arguments"], r#"{"a":1,"b":2}"#);
    assert_eq!((&said[2]["content"], &said[3]["content"]), (&json!("3"), &json!("7")));
    assert_eq!(shown[..2], ["I add.", "Twice"]);
    // A long line comes in parts, and nothing of it is lost.
    assert_eq!(shown[2..].iter().map(|line| line.split_whitespace().count()).sum::<usize>(), 100);
}

#[tokio::test]
async fn the_pieces_of_anthropic_are_put_together() {
    let start = json!({ "type": "message_start", "message": {
        "model": "claude-1", "content": [], "usage": { "input_tokens": 9, "output_tokens": 1 },
    } });
    let block =
        |index: u32, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let delta = |index: u32, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let end = |reason: &str| {
        [
            json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 7 } }),
            json!({ "type": "message_stop" }),
        ]
    };
    let mut first = vec![
        start.clone(),
        json!({ "type": "ping" }),
        block(0, json!({ "type": "thinking", "thinking": "" })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "hm" })),
        delta(0, json!({ "type": "signature_delta", "signature": "s1g" })),
        block(1, json!({ "type": "text", "text": "" })),
        delta(1, json!({ "type": "text_delta", "text": "I add." })),
        block(2, json!({ "type": "tool_use", "id": "t1", "name": "adder", "input": {} })),
        delta(2, json!({ "type": "input_json_delta", "partial_json": "{\"a\":1," })),
        delta(2, json!({ "type": "input_json_delta", "partial_json": "\"b\":2}" })),
    ];
    first.extend(end("tool_use"));
    let mut second = vec![
        start,
        block(0, json!({ "type": "text", "text": "" })),
        delta(0, json!({ "type": "text_delta", "text": "3" })),
    ];
    second.extend(end("end_turn"));
    let server = Server::answering_in_turn(vec![events(&first), events(&second)]).await;
    let (asked, _) = asking("anthropic");

    let (answer, shown) = run(&server, asked).await;

    let answer = answer.unwrap();
    assert_eq!((&answer["text"], &answer["finish_reason"]), (&json!("3"), &json!("end_turn")));
    assert_eq!((&answer["turns"][0]["input_tokens"], &answer["turns"][0]["output_tokens"]), (&json!(9), &json!(7)));
    let said = &server.bodies()[1]["messages"][1]["content"];
    assert_eq!(said[0], json!({ "type": "thinking", "thinking": "hm", "signature": "s1g" }));
    assert_eq!(said[2]["input"], json!({ "a": 1, "b": 2 }));
    assert_eq!(shown, ["I add.", "3"]);
}

#[tokio::test]
async fn the_pieces_of_gemini_are_put_together() {
    let piece = |parts: Value| json!({ "candidates": [{ "content": { "role": "model", "parts": parts } }] });
    let end = json!({
        "candidates": [{ "content": { "parts": [{ "text": "" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 4, "candidatesTokenCount": 2 }, "modelVersion": "g-1",
    });
    let first = [
        piece(json!([{ "text": "I " }])),
        piece(json!([{ "text": "add." }])),
        piece(json!([{ "functionCall": { "name": "adder", "args": { "a": 1, "b": 2 } } }])),
        end.clone(),
    ];
    let second = [piece(json!([{ "text": "3" }])), end];
    let server = Server::answering_in_turn(vec![events(&first), events(&second)]).await;
    let (asked, _) = asking("gemini");

    let (answer, shown) = run(&server, asked).await;

    assert_eq!(answer.unwrap()["text"], "3");
    assert!(server.requests()[0].starts_with("POST /models/gemini-2.5-flash:streamGenerateContent?alt=sse "));
    assert_eq!(server.bodies()[1]["contents"][2]["parts"][0]["functionResponse"]["response"], json!({ "output": 3 }));
    assert_eq!(shown, ["I add.", "3"]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_no_answer_whoever_closed_it() {
    let said = [openai_piece(&json!({ "content": "half an ans" }))];
    let mut cut = events(&said);
    cut.extend_from_slice(b"data: {\"choices\": [{\"del");
    let torn = String::from_utf8(events(&said)).unwrap().replace("connection: close", "content-length: 9000");
    let failing = [said[0].clone(), json!({ "error": { "message": "overloaded", "type": "overloaded_error" } })];
    for (answer, code) in [
        (events(&said), "llm_bad_answer"),
        (cut, "llm_bad_answer"),
        (torn.into_bytes(), "connection_lost"),
        (events(&failing), "llm_unavailable"),
        (events(&[]), "llm_bad_answer"),
    ] {
        let server = Server::answering(answer).await;
        let (asked, host) = asking("openai");
        let error = run(&server, asked).await.0.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), (code, true), "{error}");
        assert!(host.parts().is_empty(), "half an answer is not recorded");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_streams_is_understood_and_refusals_are_too() {
    let whole = r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}"#;
    let server = Server::json("200 OK", "", whole).await;
    assert_eq!(run(&server, asking("openai").0).await.0.unwrap()["text"], "whole");

    let server = Server::json("429 Too Many Requests", "Retry-After: 3\r\n", "{}").await;
    let error = run(&server, asking("openai").0).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), error.retry_after_ms), ("llm_overloaded", Some(3_000)));
}
