//! Whatever a model's server does instead of answering: the same to all providers, whole and in pieces.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, LlmEndpoint};
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};
use turbocat_testkit::host::MemoryHost;

use crate::{
    server::{Server, json_answer},
    support::{Lines, call, local_config},
};

const PROVIDERS: [&str; 3] = ["openai", "anthropic", "gemini"];

/// Asks the provider's API at this address, in pieces or not; what it wrote down comes back, too.
async fn ask(url: &str, provider: &str, streams: bool) -> (Result<Value, StepError>, MemoryHost) {
    let endpoint = LlmEndpoint { base_url: Some(url.to_owned()), ..LlmEndpoint::default() };
    let llm = LlmConfig {
        base_url: endpoint.base_url.clone(),
        anthropic: endpoint.clone(),
        gemini: endpoint,
        ..LlmConfig::default()
    };
    let host = MemoryHost::default();
    let config =
        json!({ "provider": provider, "model": "m", "prompt": "Hello", "stream": streams, "turn_timeout_ms": 400 });
    let call = AgentCall { host: Arc::new(host.clone()), ..call(AgentType::Llm, config) };
    let agents = Agents::new(AgentsConfig { llm, ..local_config() }).unwrap();
    (agents.run(call, Arc::new(Lines::default())).await, host)
}

/// An answer of this provider that says something.
fn saying(provider: &str, text: &str) -> Value {
    match provider {
        "openai" => json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }),
        "anthropic" => json!({ "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn" }),
        _ => json!({ "candidates": [{ "content": { "parts": [{ "text": text }] }, "finishReason": "STOP" }] }),
    }
}

/// The first pieces of an answer of this provider, without their end.
fn half(provider: &str) -> Vec<Value> {
    match provider {
        "openai" => vec![json!({ "choices": [{ "index": 0, "delta": { "content": "half an ans" } }] })],
        "anthropic" => vec![
            json!({ "type": "message_start", "message": { "model": "m", "content": [], "usage": {} } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "half" } }),
        ],
        _ => vec![json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "half" }] } }] })],
    }
}

fn events(events: &[Value], more: &str) -> Vec<u8> {
    let body = events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect::<Vec<_>>().concat();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}{more}").into_bytes()
}

#[tokio::test]
async fn every_upset_is_an_error_of_its_kind_and_nothing_of_it_is_recorded() {
    for provider in PROVIDERS {
        let whole = saying(provider, "whole").to_string();
        let half_json = &whole[..whole.len() / 2];
        let with_nul = format!("{whole}\0\0");
        let quota = r#"{"error":{"message":"spent","code":"insufficient_quota","type":"billing_error"}}"#;
        let patient = |status: &str| {
            format!("HTTP/1.1 {status}\r\nretry-after: 3\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .into_bytes()
        };
        let cases: Vec<(&str, Vec<u8>, &str, bool)> = vec![
            ("429", patient("429 Too Many Requests"), "llm_overloaded", true),
            ("529", patient("529 Overloaded"), "llm_overloaded", true),
            ("500", patient("500 Internal Server Error"), "llm_unavailable", true),
            ("503", patient("503 Service Unavailable"), "llm_unavailable", true),
            ("spent", json_answer("429 Too Many Requests", quota), "llm_quota_exhausted", false),
            ("half a JSON", json_answer("200 OK", half_json), "llm_bad_answer", true),
            ("no JSON", json_answer("200 OK", "<html>busy</html>"), "llm_bad_answer", true),
            ("nothing", json_answer("200 OK", ""), "llm_bad_answer", true),
            ("another JSON", json_answer("200 OK", "[null, {}]"), "llm_bad_answer", true),
            ("NUL behind it", json_answer("200 OK", &with_nul), "llm_bad_answer", true),
            ("no HTTP", b"hello\r\n\r\n".to_vec(), "connection_lost", true),
            ("a closed connection", Vec::new(), "connection_lost", true),
        ];
        for (upset, answer, code, retryable) in cases {
            let server = Server::answering(answer).await;
            for streams in [false, true] {
                let (outcome, host) = ask(&server.url(""), provider, streams).await;
                let error = outcome.unwrap_err();
                let told = (error.code.as_str(), error.retryable);
                assert_eq!(told, (code, retryable), "{provider}, {upset}, in pieces: {streams}: {error}");
                let pause = matches!(upset, "429" | "529" | "500" | "503").then_some(3_000);
                assert_eq!(error.retry_after_ms, pause, "{provider}, {upset}");
                assert!(host.parts().is_empty(), "{provider}, {upset}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_says_that_it_failed_or_holds_nonsense_is_no_answer() {
    for provider in PROVIDERS {
        let torn = String::from_utf8(events(&half(provider), "")).unwrap();
        let torn = torn.replace("connection: close", "content-length: 90000").into_bytes();
        let failed = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "overloaded" } });
        let failed = [half(provider), vec![failed]].concat();
        for (upset, answer, code) in [
            ("closed in order", events(&half(provider), ""), "llm_bad_answer"),
            ("cut within an event", events(&half(provider), "data: {\"cand"), "llm_bad_answer"),
            ("cut within a message", torn, "connection_lost"),
            ("an error in it", events(&failed, ""), "llm_unavailable"),
            ("nothing but nonsense", events(&[], "data: \0\0\r\n\r\nnonsense\r\n\r\n"), "llm_bad_answer"),
        ] {
            let server = Server::answering(answer).await;
            let (outcome, host) = ask(&server.url(""), provider, true).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.code.as_str(), error.retryable), (code, true), "{provider}, {upset}: {error}");
            assert!(host.parts().is_empty(), "{provider}, {upset}: half an answer is not recorded");
        }
    }
}

/// A server that says this and then nothing, for ever.
async fn hanging(beginning: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let beginning = beginning.clone();
            tokio::spawn(async move {
                let _asked = stream.read(&mut [0; 16_384]).await;
                let _gone = stream.write_all(&beginning).await;
                // Until who asked has gone: it is the one who gives up.
                let mut heard = Vec::new();
                let _gone = stream.read_to_end(&mut heard).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_after_the_time_of_a_turn() {
    for provider in PROVIDERS {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{".to_vec();
        for (streams, beginning) in [(false, Vec::new()), (false, head), (true, events(&half(provider), ""))] {
            let (outcome, host) = ask(&hanging(beginning).await, provider, streams).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.code.as_str(), error.retryable), ("upstream_timeout", true), "{provider}: {error}");
            assert!(error.message.contains("400 ms"), "{error}");
            assert!(host.parts().is_empty(), "{provider}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    const LENGTH: usize = 50 << 20;
    for provider in PROVIDERS {
        let long = json_answer("200 OK", &saying(provider, &"x".repeat(LENGTH)).to_string());
        let line = events(&half(provider), &format!("data: {}", "x".repeat(LENGTH)));
        for (streams, answer) in [(false, long), (true, line)] {
            let server = Server::answering(answer).await;
            let (outcome, host) = ask(&server.url(""), provider, streams).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.code.as_str(), error.retryable), ("output_too_large", false), "{provider}: {error}");
            assert!(host.parts().is_empty(), "{provider}");
        }
    }
}

#[tokio::test]
async fn what_a_model_says_may_hold_any_character() {
    for provider in PROVIDERS {
        let text = "a\0b\u{202e}c\u{1f408}\r\n\td";
        let server = Server::json("200 OK", "", &saying(provider, text).to_string()).await;
        let (outcome, host) = ask(&server.url(""), provider, false).await;

        let said = outcome.unwrap()["text"].as_str().unwrap().to_owned();
        // Storage takes no NUL; what stands is what the conversation goes on with.
        assert!(!said.contains('\0'), "{provider}: {said:?}");
        assert!(said.ends_with("b\u{202e}c\u{1f408}\r\n\td"), "{provider}: {said:?}");
        assert_eq!(host.parts()[0].data["text"], said.as_str(), "{provider}");
    }
}
