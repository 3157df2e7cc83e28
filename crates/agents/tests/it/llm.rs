//! LLM agents, offline and against a server of our own.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, Secret};
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::{
    server::Server,
    support::{Lines, call, config, local_config, run},
};

const REPLY: &str = r#"{"id":"1","model":"m-2024","choices":[{"index":0,"message":{"role":"assistant","content":"{\"a\":1}"},
    "finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#;

fn llm(config: Value, inputs: Value) -> AgentCall {
    AgentCall { inputs, ..call(AgentType::Llm, config) }
}

/// The operator's model is this server, with a key.
fn at(server: &Server) -> AgentsConfig {
    let llm = LlmConfig {
        base_url: Some(server.url("/v1/")),
        api_key: Some(Secret::new("sk-operator")),
        model: Some("m".to_owned()),
        ..LlmConfig::default()
    };
    AgentsConfig { llm, ..config() }
}

async fn ask(config: AgentsConfig, call: AgentCall) -> Result<Value, StepError> {
    Agents::new(config).unwrap().run(call, Arc::new(Lines::default())).await
}

#[tokio::test]
async fn without_a_key_the_answer_is_an_extract_that_says_so() {
    let text = "Turbocat runs workflows. It stores each step in PostgreSQL. In 2026 it ran 1,200 steps a second.";
    let config = json!({ "system": "Be brief.", "prompt": "Summarise: ${{ input.text }}" });

    let answer = run(llm(config.clone(), json!({ "text": text }))).await.unwrap();

    assert_eq!((&answer["provider"], &answer["finish_reason"]), (&json!("offline"), &json!("stop")));
    let said = answer["text"].as_str().unwrap();
    assert_eq!(said, format!("{text} (extracted offline, without a model)"));
    assert_eq!(answer["usage"]["unit"], "words");
    assert_eq!(answer["usage"]["input_tokens"], 20);
    assert_eq!(run(llm(config, json!({ "text": text }))).await.unwrap(), answer);
}

#[tokio::test]
async fn offline_gives_json_where_json_is_asked_for() {
    let config = json!({ "provider": "offline", "prompt": "One. Two 2.", "response_format": "json" });

    let answer = run(llm(config, json!({}))).await.unwrap();

    assert_eq!(answer["json"]["figures"], json!(["2"]));
    assert_eq!(answer["json"]["sentences"], 2);
}

#[tokio::test]
async fn a_server_with_openais_api_is_asked_with_the_operators_key() {
    let server = Server::json("200 OK", "", REPLY).await;
    let config = json!({
        "system": "s", "prompt": "${{ input.data }}", "temperature": 0.5, "max_tokens": 10, "response_format": "json",
    });

    let answer = ask(at(&server), llm(config, json!({ "data": { "x": 1 } }))).await.unwrap();

    assert_eq!(answer["text"], "{\"a\":1}");
    assert_eq!(answer["json"], json!({ "a": 1 }));
    assert_eq!((&answer["provider"], &answer["model"]), (&json!("openai"), &json!("m-2024")));
    assert_eq!(answer["usage"]["input_tokens"], 9);
    assert_eq!(answer["usage"]["raw"]["total_tokens"], 13);
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("authorization: Bearer sk-operator") && request.contains("idempotency-key: "),
        "{request}"
    );
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "m", "temperature": 0.5, "max_tokens": 10, "response_format": { "type": "json_object" },
            "messages": [{ "role": "system", "content": "s" }, { "role": "user", "content": "{\"x\":1}" }],
        })
    );
}

#[tokio::test]
async fn the_operators_key_does_not_follow_an_agent_to_an_address_of_its_own() {
    let (operators, own) = (Server::json("200 OK", "", REPLY).await, Server::json("200 OK", "", REPLY).await);
    let config = json!({ "provider": "openai", "prompt": "hello", "base_url": own.url("/v1") });

    let setup = AgentsConfig { egress: local_config().egress, ..at(&operators) };
    ask(setup, llm(config.clone(), json!({}))).await.unwrap();
    assert!(!own.requests()[0].contains("authorization"));

    // The operator's own server is on this machine, which opens no way to it for agents.
    assert_eq!(ask(at(&operators), llm(config, json!({}))).await.unwrap_err().code, "egress_denied");
    assert_eq!((operators.requests().len(), own.requests().len()), (0, 1));
}

#[tokio::test]
async fn failures_of_the_models_server_are_told_apart() {
    let refusal = r#"{"error":{"message":"no such thing","code":"x"}}"#;
    let spent = r#"{"error":{"message":"pay first","code":"insufficient_quota"}}"#;
    for (status, body, code, retryable) in [
        ("400 Bad Request", refusal, "llm_refused", false),
        ("401 Unauthorized", refusal, "llm_unauthorized", false),
        ("403 Forbidden", refusal, "llm_unauthorized", false),
        ("429 Too Many Requests", refusal, "llm_overloaded", true),
        ("429 Too Many Requests", spent, "llm_quota_exhausted", false),
        ("500 Internal Server Error", "oops", "llm_unavailable", true),
        ("200 OK", "{", "llm_bad_answer", true),
        ("200 OK", "{}", "llm_bad_answer", true),
    ] {
        let server = Server::json(status, "Retry-After: 3\r\n", body).await;
        let error = ask(at(&server), llm(json!({ "prompt": "hello" }), json!({}))).await.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{status}: {error}");
        let pause = (retryable && !status.starts_with("200")).then_some(3_000);
        assert_eq!(error.retry_after_ms, pause, "{status}");
        assert!(body != refusal || error.message.contains("no such thing"), "{error}");
    }
}

#[tokio::test]
async fn prose_where_json_was_asked_for_is_asked_for_again_and_then_given_up() {
    let reply = REPLY.replace(r#"{\"a\":1}"#, "sure, here it is");
    let server = Server::json("200 OK", "", &reply).await;
    let config = json!({ "prompt": "hello", "response_format": "json" });

    let error = ask(at(&server), llm(config, json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("llm_bad_output", false));
    assert_eq!(server.requests().len(), 3, "it is asked twice more");
}
