//! The dialects of the providers, against answers in the forms that they document.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, LlmEndpoint, Secret};
use turbocat_domain::{
    agent::{Agent, AgentType},
    port::{AgentCall, AgentRunner},
    step_run::StepError,
    value::Name,
};
use turbocat_testkit::host::MemoryHost;

use crate::{
    server::{Server, json_answer},
    support::{Lines, call, local_config},
};

fn endpoint(server: &Server, path: &str) -> LlmEndpoint {
    LlmEndpoint {
        base_url: Some(server.url(path)),
        api_key: Some(Secret::new("the-operators-key")),
        model: Some("m".to_owned()),
    }
}

fn host() -> MemoryHost {
    let adder = Agent::clone(&call(AgentType::Data, json!({ "program": ".a + .b" })).agent);
    MemoryHost::default().with_agent(Agent { name: Name::parse("adder").unwrap(), ..adder })
}

fn asking(extra: Value) -> AgentCall {
    let mut config = json!({
        "system": "Be brief.", "prompt": "1 and 2?", "temperature": 0.5, "max_tokens": 100,
        "tools": [{ "agent": "adder", "description": "Adds." }],
    });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    AgentCall { host: Arc::new(host()), ..call(AgentType::Llm, config) }
}

async fn run(llm: LlmConfig, call: AgentCall) -> Result<Value, StepError> {
    Agents::new(AgentsConfig { llm, ..local_config() }).unwrap().run(call, Arc::new(Lines::default())).await
}

#[tokio::test]
async fn anthropic_is_asked_in_its_own_form_and_gets_back_what_it_said() {
    let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "s1g" });
    let wants = json!({ "type": "tool_use", "id": "toolu_1", "name": "adder", "input": { "a": 1, "b": 2 } });
    let first = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-1", "stop_reason": "tool_use",
        "content": [thought, { "type": "text", "text": "I add." }, wants],
        "usage": { "input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 1, "output_tokens": 7 },
    });
    let second = json!({
        "id": "msg_2", "type": "message", "role": "assistant", "model": "claude-1", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "{\"sum\":3}" }], "usage": { "input_tokens": 20, "output_tokens": 3 },
    });
    let answers = [&first, &second].map(|body| json_answer("200 OK", &body.to_string()));
    let server = Server::answering_in_turn(answers.to_vec()).await;
    let llm = LlmConfig { anthropic: endpoint(&server, ""), ..LlmConfig::default() };
    let schema = json!({ "type": "object", "required": ["sum"] });

    let answer = run(llm, asking(json!({ "output_schema": schema }))).await.unwrap();

    assert_eq!((&answer["json"], &answer["provider"]), (&json!({ "sum": 3 }), &json!("anthropic")));
    assert_eq!(answer["turns"][0]["input_tokens"], 16);
    assert_eq!(answer["turns"][0]["cached_input_tokens"], 5);
    assert_eq!((&answer["usage"]["input_tokens"], &answer["usage"]["output_tokens"]), (&json!(36), &json!(10)));
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-api-key: the-operators-key") && request.contains("anthropic-version: 2023-06-01"));
    let bodies = server.bodies();
    assert_eq!(
        bodies[0],
        json!({
            "model": "m", "max_tokens": 100, "temperature": 0.5, "system": "Be brief.",
            "messages": [{ "role": "user", "content": "1 and 2?" }],
            "tools": [{ "name": "adder", "description": "Adds.", "input_schema": { "type": "object" } }],
            "output_config": { "format": { "type": "json_schema", "schema": schema } },
        })
    );
    // The signature of what it thought goes back with it.
    assert_eq!(bodies[1]["messages"][1], json!({ "role": "assistant", "content": first["content"] }));
    let result = json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": "3", "is_error": false });
    assert_eq!(bodies[1]["messages"][2], json!({ "role": "user", "content": [result] }));
}

#[tokio::test]
async fn gemini_is_asked_in_its_own_form_and_gets_back_what_it_said() {
    let wants = json!({ "functionCall": { "name": "adder", "args": { "a": 1, "b": 2 } }, "thoughtSignature": "s1g" });
    let first = json!({
        "candidates": [{ "content": { "role": "model", "parts": [
            { "text": "hm", "thought": true }, { "text": "I add." }, wants,
        ] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "cachedContentTokenCount": 2 },
        "modelVersion": "gemini-1",
    });
    let second = json!({
        "candidates": [{ "content": { "role": "model", "parts": [{ "text": "3" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 20, "candidatesTokenCount": 1 },
    });
    let answers = [&first, &second].map(|body| json_answer("200 OK", &body.to_string()));
    let server = Server::answering_in_turn(answers.to_vec()).await;
    let llm = LlmConfig { gemini: endpoint(&server, "/v1beta"), ..LlmConfig::default() };

    let answer = run(llm, asking(json!({ "provider": "gemini" }))).await.unwrap();

    assert_eq!((&answer["text"], &answer["model"]), (&json!("3"), &json!("m")));
    let account = json!({
        "provider": "gemini", "model": "gemini-1", "input_tokens": 10, "output_tokens": 7, "cached_input_tokens": 2,
    });
    assert_eq!(answer["turns"][0], account);
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /v1beta/models/m:generateContent HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-goog-api-key: the-operators-key"));
    let bodies = server.bodies();
    assert_eq!(
        bodies[0],
        json!({
            "contents": [{ "role": "user", "parts": [{ "text": "1 and 2?" }] }],
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "generationConfig": { "temperature": 0.5, "maxOutputTokens": 100 },
            "tools": [{ "functionDeclarations": [
                { "name": "adder", "description": "Adds.", "parametersJsonSchema": { "type": "object" } },
            ] }],
        })
    );
    assert_eq!(bodies[1]["contents"][1], first["candidates"][0]["content"]);
    let response = json!({ "functionResponse": { "name": "adder", "response": { "output": 3 } } });
    assert_eq!(bodies[1]["contents"][2], json!({ "role": "user", "parts": [response] }));
}

#[tokio::test]
async fn a_conversation_goes_on_with_another_provider_where_one_left_it() {
    let first = json!({
        "choices": [{ "message": { "role": "assistant", "content": "I add.", "tool_calls": [{
            "id": "c1", "type": "function", "function": { "name": "adder", "arguments": "{\"a\":1,\"b\":2}" },
        }] }, "finish_reason": "tool_calls" }],
    });
    let openai = Server::answering_in_turn(vec![
        json_answer("200 OK", &first.to_string()),
        json_answer("529 Overloaded", r#"{"error":{"message":"busy"}}"#),
    ])
    .await;
    let said = json!({ "content": [{ "type": "text", "text": "3" }], "stop_reason": "end_turn" });
    let anthropic = Server::answering_in_turn(vec![json_answer("200 OK", &said.to_string())]).await;
    let llm =
        LlmConfig { base_url: Some(openai.url("/v1")), anthropic: endpoint(&anthropic, ""), ..LlmConfig::default() };

    let answer = run(llm, asking(json!({ "fallback": [{ "provider": "anthropic" }] }))).await.unwrap();

    assert_eq!(answer["text"], "3");
    let providers: Vec<&Value> = answer["turns"].as_array().unwrap().iter().map(|turn| &turn["provider"]).collect();
    assert_eq!(providers, [&json!("openai"), &json!("anthropic")]);
    let asked = anthropic.bodies().remove(0);
    let call = json!({ "type": "tool_use", "id": "c1", "name": "adder", "input": { "a": 1, "b": 2 } });
    assert_eq!(asked["messages"][1]["content"], json!([{ "type": "text", "text": "I add." }, call]));
    // A count that is not known makes the sum unknown.
    assert_eq!(answer["usage"]["input_tokens"], Value::Null);
}

#[tokio::test]
async fn the_refusals_of_every_provider_mean_the_same() {
    for provider in ["anthropic", "gemini"] {
        for (status, body, code, retryable) in [
            ("400 Bad Request", r#"{"error":{"message":"no"}}"#, "llm_refused", false),
            ("401 Unauthorized", r#"{"error":{"message":"no"}}"#, "llm_unauthorized", false),
            ("429 Too Many Requests", r#"{"error":{"message":"wait"}}"#, "llm_overloaded", true),
            ("500 Internal Server Error", "oops", "llm_unavailable", true),
            ("200 OK", "{}", "llm_bad_answer", true),
        ] {
            let server = Server::json(status, "Retry-After: 3\r\n", body).await;
            let llm =
                LlmConfig { anthropic: endpoint(&server, ""), gemini: endpoint(&server, ""), ..LlmConfig::default() };
            let error = run(llm, asking(json!({ "provider": provider }))).await.unwrap_err();

            assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{provider} {status}: {error}");
            let pause = (retryable && !status.starts_with("200")).then_some(3_000);
            assert_eq!(error.retry_after_ms, pause, "{provider} {status}");
        }
    }
}
