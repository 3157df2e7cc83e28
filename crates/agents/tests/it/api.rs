//! API agents against a server of our own.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, NamedSecret, Secret};
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::{
    server::Server,
    support::{Lines, call, config, local_config, run},
};

fn api(config: Value, inputs: Value) -> AgentCall {
    AgentCall { inputs, ..call(AgentType::Api, config) }
}

async fn run_with(config: AgentsConfig, call: AgentCall) -> Result<Value, StepError> {
    Agents::new(config).unwrap().run(call, Arc::new(Lines::default())).await
}

async fn run_local(call: AgentCall) -> Result<Value, StepError> {
    run_with(local_config(), call).await
}

#[tokio::test]
async fn a_request_is_made_of_the_inputs_and_the_answer_is_read() {
    let server = Server::json("200 OK", "X-Trace: 1\r\nx-trace: 2\r\n", r#"{"id":7}"#).await;
    let config = json!({
        "method": "POST", "url": server.url("/orders/${{ input.id }}"),
        "headers": { "X-Kind": "${{ input.kind }}", "X-None": null, "Accept": "application/json" },
        "query": { "q": "a b&c", "tag": ["x", "y"], "none": null, "n": "${{ input.id }}" },
        "body": { "kind": "${{ input.kind }}", "n": "${{ input.id }}" },
    });
    let call = api(config, json!({ "id": 12, "kind": "new" }));
    let key = call.idempotency_key();

    let answer = run_local(call).await.unwrap();

    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!({ "id": 7 })));
    assert_eq!(answer["headers"]["x-trace"], "1, 2");
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /orders/12?n=12&q=a+b%26c&tag=x&tag=y HTTP/1.1\r\n"), "{request}");
    for line in ["x-kind: new", "accept: application/json", "content-type: application/json"] {
        assert!(request.contains(line), "{line} in {request}");
    }
    assert!(request.contains(&format!("idempotency-key: {key}")), "{request}");
    assert!(!request.contains("x-none"), "{request}");
    assert!(request.ends_with(r#"{"kind":"new","n":12}"#), "{request}");
}

#[tokio::test]
async fn response_makes_something_else_of_the_answer_and_text_stays_text() {
    let server = Server::json("404 Not Found", "", r#"{"items":[1,2]}"#).await;
    let config = json!({
        "url": server.url("/"), "accept_status": [404],
        "response": { "count": "${{ size(output.body.items) }}", "for": "${{ input.who }}" },
    });
    assert_eq!(run_local(api(config, json!({ "who": "me" }))).await.unwrap(), json!({ "count": 2, "for": "me" }));

    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{a}").await;
    let answer = run_local(api(json!({ "url": server.url("/"), "response": "${{ output.body }}" }), json!({}))).await;
    assert_eq!(answer.unwrap(), json!("{a}"));

    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let answer = run_local(api(json!({ "url": server.url("/") }), json!({}))).await.unwrap();
    assert_eq!((&answer["status"], &answer["body"]), (&json!(204), &Value::Null));
}

#[tokio::test]
async fn a_refusal_is_told_and_retried_only_where_that_can_help() {
    for (status, headers, retryable, pause) in [
        ("400 Bad Request", "", false, None),
        ("404 Not Found", "Retry-After: 5\r\n", false, None),
        ("302 Found", "", false, None),
        ("408 Request Timeout", "", true, None),
        ("429 Too Many Requests", "Retry-After: 7\r\n", true, Some(7_000)),
        (
            "503 Service Unavailable",
            "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:28:02 GMT\r\n",
            true,
            Some(2_000),
        ),
    ] {
        let server = Server::json(status, headers, r#"{"why":"because"}"#).await;
        let error = run_local(api(json!({ "url": server.url("/") }), json!({}))).await.unwrap_err();

        assert_eq!(
            (error.code.as_str(), error.retryable, error.retry_after_ms),
            ("http_status", retryable, pause),
            "{status}"
        );
        assert!(error.message.contains("because") && error.message.contains(&status[..3]), "{error}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_before_anything_is_sent() {
    let server = Server::json("200 OK", "", "{}").await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "10.0.0.1",
        "169.254.169.254",
        "metadata.google.internal",
        "[64:ff9b::7f00:1]",
        "[fd00::1]",
        "100.64.0.1",
        "localhost.",
        "LOCALHOST",
    ] {
        let mut attempt = api(json!({ "url": format!("http://{host}:{port}/") }), json!({}));
        attempt.timeout_ms = 5_000;
        let error = run_with(config(), attempt).await.unwrap_err();
        // Not every resolver knows these names, and then there is nothing to refuse.
        let unresolved = error.code == "connect_failed" && ["metadata.google.internal", "localhost."].contains(&host);
        assert!(error.code == "egress_denied" || unresolved, "{host}: {error}");
    }
    assert_eq!(server.requests().len(), 0);

    let named = api(json!({ "url": "${{ input.url }}" }), json!({ "url": "file:///etc/passwd" }));
    assert_eq!(run(named).await.unwrap_err().code, "egress_denied");
}

#[tokio::test]
async fn a_host_that_is_allowed_by_name_is_reached_wherever_it_is() {
    let server = Server::json("200 OK", "", "{}").await;
    let egress = turbocat_agents::EgressPolicy::allowing(["LocalHost"]).unwrap();
    // The stub listens on IPv4 only, and the name may mean both.
    let url = format!("http://localhost:{}/", server.address.port());

    run_with(AgentsConfig { egress, ..config() }, api(json!({ "url": url }), json!({}))).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_secret_goes_to_its_hosts_and_to_no_other_and_is_not_told() {
    let server = Server::json("200 OK", "", "{}").await;
    let secret = |host: &str| NamedSecret { value: Secret::new("Bearer s3cret"), hosts: vec![host.to_owned()] };
    let secrets = [("MINE".to_owned(), secret("127.0.0.1")), ("OTHER".to_owned(), secret("api.example.com"))];
    let setup = AgentsConfig { secrets: secrets.into(), ..local_config() };
    assert!(!format!("{setup:?}").contains("s3cret"));
    let attempt = |name: &str| {
        let header = format!("${{{{ secrets.{name} }}}}");
        api(json!({ "url": server.url("/"), "headers": { "Authorization": header } }), json!({}))
    };

    run_with(setup.clone(), attempt("MINE")).await.unwrap();
    assert!(server.requests()[0].contains("authorization: Bearer s3cret"));

    assert_eq!(run_with(setup.clone(), attempt("OTHER")).await.unwrap_err().code, "secret_not_allowed");
    assert_eq!(run_with(setup, attempt("NONE")).await.unwrap_err().code, "missing_secret");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_too_late_or_broken_is_told_apart() {
    let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: {0}\r\n\r\n{1}", 5 << 20, "x".repeat(5 << 20));
    let server = Server::answering(huge).await;
    let error = run_local(api(json!({ "url": server.url("/") }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("output_too_large", false));

    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
    let error = run_local(api(json!({ "url": server.url("/") }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("connection_lost", true), "{error}");

    let server = Server::json("200 OK", "", "{nonsense").await;
    let error = run_local(api(json!({ "url": server.url("/") }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("http_bad_answer", true));

    // Accepts, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let begun = std::time::Instant::now();
    let error = run_local(api(json!({ "url": url, "timeout_ms": 200 }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("upstream_timeout", true));
    assert!(begun.elapsed() < Duration::from_secs(5));

    drop(silent);
    let error = run_local(api(json!({ "url": url }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("connect_failed", true));
}

#[tokio::test]
async fn inputs_that_make_no_request_fail_for_good() {
    for (config, inputs) in [
        (json!({ "url": "${{ input.url }}" }), json!({ "url": "no url" })),
        (json!({ "url": "${{ input.url }}" }), json!({ "url": 5 })),
        (json!({ "url": "${{ input.url }}" }), json!({ "url": "http://user:password@127.0.0.1/" })),
        (json!({ "url": "http://127.0.0.1/", "headers": { "X": "${{ input.x }}" } }), json!({ "x": "a\r\nHost: b" })),
        (json!({ "url": "http://127.0.0.1/", "query": "${{ input.x }}" }), json!({ "x": 1 })),
    ] {
        let error = run_local(api(config.clone(), inputs)).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("invalid_request", false), "{config}: {error}");
    }
    let error = run_local(api(json!({ "url": "${{ input.missing }}" }), json!({}))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("expression_failed", false));
}

#[tokio::test]
async fn an_agent_of_type_workflow_is_none_of_ours() {
    let error = run(call(AgentType::Workflow, json!({}))).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("unsupported_agent", false));
}
