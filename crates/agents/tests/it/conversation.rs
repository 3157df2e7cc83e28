//! LLM agents that call tools: what is asked, what is recorded, and what is never asked again.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, NamedSecret, Secret};
use turbocat_domain::{
    agent::{Agent, AgentType},
    port::{AgentCall, AgentRunner, PartKind},
    step_run::StepError,
    value::Name,
};
use turbocat_testkit::host::MemoryHost;

use crate::{
    server::{Server, json_answer},
    support::{Lines, call, local_config},
};

/// An agent that others can call.
pub(crate) fn agent(name: &str, kind: AgentType, config: Value) -> Agent {
    let agent = Agent::clone(&call(kind, config).agent);
    Agent { name: Name::parse(name).unwrap(), description: Some(format!("The agent {name}.")), ..agent }
}

pub(crate) fn adder() -> Agent {
    agent("adder", AgentType::Data, json!({ "program": ".a + .b" }))
}

pub(crate) fn llm(host: &MemoryHost, config: Value) -> AgentCall {
    let (host, path, inputs) = (Arc::new(host.clone()), "step".to_owned(), json!({ "topic": "sums" }));
    AgentCall { host, path, inputs, ..call(AgentType::Llm, config) }
}

pub(crate) fn setup(server: &Server) -> AgentsConfig {
    let llm = LlmConfig {
        base_url: Some(server.url("/v1")),
        api_key: Some(Secret::new("sk-operator")),
        model: Some("m".to_owned()),
        ..LlmConfig::default()
    };
    AgentsConfig { llm, ..local_config() }
}

pub(crate) async fn run_with(config: AgentsConfig, call: AgentCall) -> Result<Value, StepError> {
    Agents::new(config).unwrap().run(call, Arc::new(Lines::default())).await
}

/// A turn in the form of `OpenAI` that calls tools.
pub(crate) fn calls(calls: &[(&str, Value)]) -> Vec<u8> {
    let calls: Vec<Value> = (1..)
        .zip(calls)
        .map(|(index, (name, input)): (u32, _)| {
            let function = json!({ "name": name, "arguments": input.to_string() });
            json!({ "id": format!("c{index}"), "type": "function", "function": function })
        })
        .collect();
    let message = json!({ "role": "assistant", "content": null, "tool_calls": calls });
    turn(&message, "tool_calls")
}

/// A turn that says something.
pub(crate) fn says(text: &str) -> Vec<u8> {
    turn(&json!({ "role": "assistant", "content": text }), "stop")
}

fn turn(message: &Value, finish_reason: &str) -> Vec<u8> {
    let body = json!({
        "model": "m-1",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": { "cached_tokens": 4 },
        },
    });
    json_answer("200 OK", &body.to_string())
}

pub(crate) fn two_sums() -> Vec<Vec<u8>> {
    vec![calls(&[("adder", json!({ "a": 1, "b": 2 })), ("adder", json!({ "a": 3, "b": 4 }))]), says("3 and 7")]
}

pub(crate) fn with_adder() -> Value {
    let input = json!({ "type": "object", "required": ["a", "b"], "properties": { "a": { "type": "number" } } });
    json!({ "prompt": "About ${{ input.topic }}", "tools": [{ "agent": "adder", "input": input }] })
}

#[tokio::test]
async fn tools_are_called_and_their_results_are_given_back() {
    let server = Server::answering_in_turn(two_sums()).await;
    let host = MemoryHost::default().with_agent(adder());

    let answer = run_with(setup(&server), llm(&host, with_adder())).await.unwrap();

    assert_eq!((&answer["text"], &answer["model"]), (&json!("3 and 7"), &json!("m-1")));
    let usage = &answer["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["cached_input_tokens"]),
        (&json!(20), &json!(4), &json!(8))
    );
    let account = json!({
        "provider": "openai", "model": "m-1", "input_tokens": 10, "output_tokens": 2, "cached_input_tokens": 4,
    });
    assert_eq!(answer["turns"], json!([account, account]));
    let bodies = server.bodies();
    assert_eq!(bodies[0]["tools"][0]["function"]["description"], "The agent adder.");
    assert_eq!(bodies[0]["tools"][0]["function"]["parameters"]["required"], json!(["a", "b"]));
    let messages = bodies[1]["messages"].as_array().unwrap();
    assert_eq!(messages[1]["tool_calls"][1]["function"]["arguments"], r#"{"a":3,"b":4}"#);
    assert_eq!(messages[2], json!({ "role": "tool", "tool_call_id": "c1", "content": "3" }));
    assert_eq!(messages[3], json!({ "role": "tool", "tool_call_id": "c2", "content": "7" }));
    assert_eq!(server.keys(), ["step/turn.1", "step/turn.2"]);
    let mut parts: Vec<_> = host.parts().into_iter().map(|part| (part.key, part.kind)).collect();
    parts.sort_by(|one, two| one.0.cmp(&two.0));
    let expected = [
        ("call.1.1", PartKind::Call),
        ("call.1.2", PartKind::Call),
        ("turn.1", PartKind::Turn),
        ("turn.2", PartKind::Turn),
    ];
    assert_eq!(parts, expected.map(|(key, kind)| (key.to_owned(), kind)));
}

#[tokio::test]
async fn what_was_recorded_is_never_asked_nor_called_again_wherever_the_worker_is_lost() {
    let mut losses = 0;
    for lost_after in 0..4 {
        let mut answers = two_sums();
        // The turn that is lost is asked for again.
        match lost_after {
            0 => answers.insert(1, answers[0].clone()),
            3 => answers.insert(1, answers[1].clone()),
            _ => {}
        }
        let server = Server::answering_in_turn(answers).await;
        let host = MemoryHost::default().with_agent(adder());
        host.lose_after(Some(lost_after));
        let call = llm(&host, with_adder());

        let lost = run_with(setup(&server), call.clone()).await.unwrap_err();
        assert_eq!((lost.code.as_str(), lost.retryable), ("lease_lost", true));
        losses += 1;
        host.lose_after(None);
        let answer = run_with(setup(&server), AgentCall { attempt: 2, ..call }).await.unwrap();

        assert_eq!(answer["text"], "3 and 7");
        let expected: &[&str] = match lost_after {
            0 => &["step/turn.1", "step/turn.1", "step/turn.2"],
            3 => &["step/turn.1", "step/turn.2", "step/turn.2"],
            _ => &["step/turn.1", "step/turn.2"],
        };
        assert_eq!(server.keys(), expected, "lost after {lost_after}");
        assert_eq!(host.parts().len(), 4);
    }
    assert_eq!(losses, 4);
}

#[tokio::test]
async fn what_a_tool_does_not_take_and_what_it_fails_with_is_told_to_the_model() {
    let broken = Server::json("404 Not Found", "", r#"{"error":"no such order"}"#).await;
    let answers = vec![
        calls(&[("adder", json!({ "a": "one" })), ("add", json!({})), ("order", json!({ "id": 7 }))]),
        says("I cannot."),
    ];
    let server = Server::answering_in_turn(answers).await;
    let host = MemoryHost::default().with_agent(adder());
    let mut config = with_adder();
    config["tools"].as_array_mut().unwrap().push(json!({
        "name": "order", "description": "Looks an order up.",
        "input": { "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } },
        "http": { "url": broken.url("/orders/${{ input.id }}") },
    }));

    let answer = run_with(setup(&server), llm(&host, config)).await.unwrap();

    assert_eq!(answer["text"], "I cannot.");
    let told: Vec<String> = server.bodies()[1]["messages"].as_array().unwrap()[2..]
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        told[0].contains("does not fit its schema") && told[0].contains("`b`") || told[0].contains("\"b\""),
        "{told:?}"
    );
    assert!(told[1].contains("there is no tool `add`") && told[1].contains("adder, order"), "{told:?}");
    assert!(told[2].contains("http_status") && told[2].contains("no such order"), "{told:?}");
    assert!(broken.requests()[0].starts_with("GET /orders/7 "));
    assert_eq!(broken.keys(), ["step/call.1.3"]);
    // What was not called is not recorded.
    let calls: Vec<String> =
        host.parts().into_iter().filter(|part| part.kind == PartKind::Call).map(|part| part.key).collect();
    assert_eq!(calls, ["call.1.3"]);
}

#[tokio::test]
async fn what_an_agent_says_of_its_own_inputs_and_answer_is_nothing_about_its_http_tools() {
    let shop = Server::json("200 OK", "", r#"{"state":"sent"}"#).await;
    let server = Server::answering_in_turn(vec![calls(&[("order", json!({ "id": 7 }))]), says("It is sent.")]).await;
    let mut config = with_adder();
    config["tools"] = json!([{
        "name": "order", "description": "Looks an order up.", "input": { "type": "object" },
        "http": { "url": shop.url("/orders/${{ input.id }}") },
    }]);
    let host = MemoryHost::default();
    let mut call = llm(&host, config);
    Arc::make_mut(&mut call.agent).capabilities = json!({
        "input": { "type": "object", "required": ["topic"], "additionalProperties": false, "properties": { "topic": {} } },
        "output": { "type": "object", "required": ["text"] },
    });

    assert_eq!(run_with(setup(&server), call).await.unwrap()["text"], "It is sent.");
    let told = server.bodies()[1]["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    assert!(told.contains("sent"), "{told}");
}

#[tokio::test]
async fn a_model_that_goes_round_in_circles_is_told_and_then_stopped() {
    let server = Server::answering_in_turn(vec![calls(&[("adder", json!({ "a": 1, "b": 1 }))])]).await;
    let host = MemoryHost::default().with_agent(adder());

    let error = run_with(setup(&server), llm(&host, with_adder())).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("llm_loop", false));
    assert_eq!(server.requests().len(), 7);
    let last = server.bodies().pop().unwrap();
    assert!(last["messages"].to_string().contains("with this very input 3 times"), "{last}");
    assert_eq!(host.parts().iter().filter(|part| part.kind == PartKind::Call).count(), 3);
}

#[tokio::test]
async fn a_conversation_without_end_is_ended() {
    let circle = (0..4).map(|n| calls(&[("adder", json!({ "a": n, "b": 1 }))])).collect();
    let server = Server::answering_in_turn(circle).await;
    let host = MemoryHost::default().with_agent(adder());
    let mut config = with_adder();
    config["max_turns"] = json!(3);

    let error = run_with(setup(&server), llm(&host, config)).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("llm_turns_exhausted", false));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn an_agent_with_a_model_of_its_own_is_a_tool_and_records_below_its_call() {
    let answers = vec![calls(&[("expert", json!({ "q": "why" }))]), says("because"), says("It says: because")];
    let server = Server::answering_in_turn(answers).await;
    let expert = agent("expert", AgentType::Llm, json!({ "prompt": "${{ input.q }}" }));
    let host = MemoryHost::default().with_agent(expert);
    let config = json!({ "prompt": "ask", "tools": [{ "agent": "expert" }] });

    let answer = run_with(setup(&server), llm(&host, config)).await.unwrap();

    assert_eq!(answer["text"], "It says: because");
    assert_eq!(server.keys(), ["step/turn.1", "step/call.1.1/turn.1", "step/turn.2"]);
    let keys: Vec<String> = host.parts().into_iter().map(|part| part.key).collect();
    assert_eq!(keys, ["turn.1", "call.1.1/turn.1", "call.1.1", "turn.2"]);
}

#[tokio::test]
async fn a_workflow_is_a_tool() {
    let answers = vec![calls(&[("refund", json!({ "order": 7 }))]), says("done")];
    let server = Server::answering_in_turn(answers).await;
    let host = MemoryHost::default().with_workflows(|call| Ok(json!({ "paid": call.inputs["order"] })));
    let config = json!({ "prompt": "pay", "tools": [{ "workflow": "refund" }] });

    run_with(setup(&server), llm(&host, config)).await.unwrap();

    let made = host.calls();
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].key.as_str(), made[0].workflow.as_str()), ("call.1.1", "refund"));
    assert_eq!(server.bodies()[1]["messages"][2]["content"], r#"{"paid":7}"#);
}

#[tokio::test]
async fn a_tool_that_names_nobody_fails_before_anything_is_paid_for() {
    let server = Server::answering_in_turn(vec![says("hello")]).await;
    let config = json!({ "prompt": "p", "tools": [{ "agent": "nobody" }] });

    let error = run_with(setup(&server), llm(&MemoryHost::default(), config)).await.unwrap_err();

    assert_eq!(error.code, "agent_not_found");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_schema_is_asked_for_again_with_what_is_wrong() {
    let config = json!({
        "prompt": "p", "repairs": 2,
        "output_schema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } },
    });
    let answers = vec![says("sure!"), says(r#"{"n":"one"}"#), says("```json\n{\"n\":1}\n```")];
    let server = Server::answering_in_turn(answers).await;
    let host = MemoryHost::default();

    let answer = run_with(setup(&server), llm(&host, config.clone())).await.unwrap();

    assert_eq!(answer["json"], json!({ "n": 1 }));
    assert_eq!(answer["turns"].as_array().unwrap().len(), 3);
    let bodies = server.bodies();
    assert_eq!(bodies[0]["response_format"]["json_schema"]["schema"], config["output_schema"]);
    let asked =
        |body: &Value| body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    assert!(asked(&bodies[1]).contains("it is not JSON"), "{}", asked(&bodies[1]));
    assert!(asked(&bodies[2]).contains("`/n`") && asked(&bodies[2]).contains("integer"), "{}", asked(&bodies[2]));

    let stubborn = Server::answering_in_turn(vec![says("no")]).await;
    let error = run_with(setup(&stubborn), llm(&MemoryHost::default(), config)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("llm_bad_output", false));
    assert_eq!(stubborn.requests().len(), 3);
}

#[tokio::test]
async fn the_next_model_is_asked_when_one_does_not_answer() {
    let first = Server::json("503 Service Unavailable", "Retry-After: 7\r\n", "{}").await;
    let second = Server::answering_in_turn(vec![says("from the second")]).await;
    let config = json!({
        "prompt": "p", "fallback": [{ "provider": "openai", "model": "m-2", "base_url": second.url("/v1") }],
    });
    let host = MemoryHost::default();

    let answer = run_with(setup(&first), llm(&host, config.clone())).await.unwrap();
    assert_eq!(answer["text"], "from the second");
    assert_eq!(second.bodies()[0]["model"], "m-2");
    assert_eq!((first.keys(), second.keys()), (vec!["step/turn.1".to_owned()], vec!["step/turn.1@1".to_owned()]));

    let refusing = Server::json("401 Unauthorized", "", "{}").await;
    let config = json!({
        "prompt": "p", "fallback": [{ "provider": "openai", "model": "m-2", "base_url": refusing.url("/v1") }],
    });
    let error = run_with(setup(&first), llm(&MemoryHost::default(), config)).await.unwrap_err();
    // What may be gone soon counts.
    assert_eq!((error.code.as_str(), error.retry_after_ms), ("llm_unavailable", Some(7_000)));
}

#[tokio::test]
async fn a_server_that_cuts_hangs_babbles_or_floods_fails_the_turn_and_records_nothing() {
    let cut =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"choices\":[".to_vec();
    let mut flood = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 52428800\r\n\r\n".to_vec();
    flood.resize(flood.len() + 50 * 1024 * 1024, b' ');
    for (answer, code, retryable) in [
        (cut, "connection_lost", true),
        (flood, "output_too_large", false),
        (json_answer("200 OK", "{\"choices\": [{"), "llm_bad_answer", true),
        (json_answer("200 OK", "null"), "llm_bad_answer", true),
        (Vec::new(), "connection_lost", true),
    ] {
        let server = Server::answering(answer).await;
        let host = MemoryHost::default();
        let error = run_with(setup(&server), llm(&host, json!({ "prompt": "p" }))).await.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{error}");
        assert!(host.parts().is_empty());
    }
    // It accepts, and never answers: a listener that nobody asks to take its visitors in.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let llm_config = LlmConfig { base_url: Some(url), ..LlmConfig::default() };
    let config = AgentsConfig { llm: llm_config, ..local_config() };
    let host = MemoryHost::default();
    let asked = llm(&host, json!({ "prompt": "p", "turn_timeout_ms": 50 }));
    let error = run_with(config, asked).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("upstream_timeout", true));
}

#[tokio::test]
async fn what_cannot_be_stored_is_made_storable_before_anybody_goes_on_with_it() {
    let server = Server::answering_in_turn(vec![says("a\u{0}b")]).await;
    let host = MemoryHost::default();

    let answer = run_with(setup(&server), llm(&host, json!({ "prompt": "p" }))).await.unwrap();

    assert_eq!(answer["text"], "a\u{FFFD}b");
    assert_eq!(host.parts()[0].data["text"], "a\u{FFFD}b");
}

#[tokio::test]
async fn a_secret_that_a_tool_echoes_is_neither_recorded_nor_told_to_the_model() {
    let echo = Server::json("200 OK", "", r#"{"you":"sent s3cret-token"}"#).await;
    let server = Server::answering_in_turn(vec![calls(&[("echo", json!({}))]), says("done")]).await;
    let host = MemoryHost::default();
    let secret = NamedSecret { value: Secret::new("s3cret-token"), hosts: vec!["127.0.0.1".to_owned()] };
    let config = json!({ "prompt": "p", "tools": [{
        "name": "echo", "description": "Echoes.",
        "http": { "url": echo.url("/"), "auth": { "type": "bearer", "token": "${{ secrets.MINE }}" } },
    }] });

    run_with(AgentsConfig { secrets: [("MINE".to_owned(), secret)].into(), ..setup(&server) }, llm(&host, config))
        .await
        .unwrap();

    assert!(echo.requests()[0].contains("Bearer s3cret-token"));
    let parts = format!("{:?}", host.parts());
    assert!(parts.contains("[secret]") && !parts.contains("s3cret-token"), "{parts}");
    assert!(!server.requests()[1].contains("s3cret-token"));
}

#[tokio::test]
async fn a_script_plays_the_part_of_a_model() {
    let host = MemoryHost::default().with_agent(adder());
    let config = json!({
        "provider": "offline", "prompt": "p", "tools": [{ "agent": "adder" }],
        "script": [
            { "say": "I add.", "call": [
                { "tool": "adder", "input": { "a": 1, "b": 2 } }, { "tool": "adder", "input": { "a": 5, "b": 5 } },
            ] },
            { "if": "${{ output[0] > 3 }}", "say": "never" },
            { "say": "${{ input.topic }}: ${{ output[0] }} and ${{ output[1] }}" },
        ],
    });
    let call = llm(&host, config);
    host.lose_after(Some(2));
    assert_eq!(run_with(local_config(), call.clone()).await.unwrap_err().code, "lease_lost");
    host.lose_after(None);

    let answer = run_with(local_config(), call).await.unwrap();
    assert_eq!((&answer["text"], &answer["model"]), (&json!("sums: 3 and 10"), &json!("offline-script")));
}

#[test]
fn what_is_wrong_with_tools_and_scripts_is_told_with_its_place() {
    let config = json!({
        "provider": "openai", "prompt": "p", "max_turns": 0,
        "tools": [
            { "agent": "a", "workflow": "b" }, { "agent": "a" }, { "agent": "a" }, { "http": { "url": 7 } },
            { "agent": "x y" }, { "agent": "z", "input": { "type": "string" } }, 7,
        ],
        "script": [{ "say": "s" }, { "call": [{ "tool": "t", "imput": {} }] }, {}],
        "fallback": [{ "model": "m" }],
        "output_schema": {}, "response_format": "json",
    });

    let problems = turbocat_agents::validate_config(AgentType::Llm, &config).unwrap_err();

    let all: Vec<String> = problems.0.iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
    for path in [
        "max_turns",
        "tools[0].agent",
        "tools[2].name",
        "tools[3].http.url",
        "tools[3].name",
        "tools[3].description",
        "tools[4].name",
        "tools[5].input",
        "tools[6]",
        "script",
        "script[1].call[0].imput",
        "script[2].say",
        "fallback[0].provider",
        "response_format",
    ] {
        assert!(all.iter().any(|told| told.starts_with(&format!("{path}: "))), "{path} is not in {all:#?}");
    }
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused_when_the_agent_is_published() {
    let agents = Agents::new(local_config()).unwrap();
    let config = json!({ "prompt": "p", "output_schema": { "type": "number", "minimum": "a lot" } });

    let problems = agents.check(AgentType::Llm, &config).await.unwrap_err();
    assert!(problems.0[0].path.starts_with("output_schema/"), "{problems:?}");
}
