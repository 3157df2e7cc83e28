//! How a request shows who sends it.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, NamedSecret, Secret, validate_config};
use turbocat_domain::{
    agent::AgentType,
    execution_log::LogLevel,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::{
    server::Server,
    support::{Lines, call, code, local_config},
};

/// Agents with one secret, which may be used for one host.
fn agents_with(value: &str, host: &str) -> Agents {
    let secret = NamedSecret { value: Secret::new(value), hosts: vec![host.to_owned()] };
    Agents::new(AgentsConfig { secrets: [("MINE".to_owned(), secret)].into(), ..local_config() }).unwrap()
}

async fn run(agents: &Agents, config: Value, inputs: Value) -> Result<Value, StepError> {
    let call = AgentCall { inputs, ..call(AgentType::Api, config) };
    agents.run(call, Arc::new(Lines::default())).await
}

/// The line of the request's head that sets this header.
fn header<'a>(request: &'a str, name: &str) -> &'a str {
    request.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or("it is not there")
}

/// What is sent for this `auth`, when the secret is `secret` and the body `body`.
async fn sent(auth: Value, secret: &str, body: &str) -> String {
    let server = Server::json("200 OK", "", "{}").await;
    let config = json!({ "method": "POST", "url": server.url("/"), "auth": auth, "body": "${{ input.body }}" });
    run(&agents_with(secret, "127.0.0.1"), config, json!({ "body": body, "user": "Aladdin" })).await.unwrap();
    server.requests().remove(0)
}

#[tokio::test]
async fn a_bearer_token_a_password_and_a_key_are_sent_as_their_types_say() {
    let request = sent(json!({ "type": "bearer", "token": "${{ secrets.MINE }}" }), "s3cret", "").await;
    assert_eq!(header(&request, "authorization"), "authorization: Bearer s3cret");

    // The example of RFC 7617.
    let basic = json!({ "type": "basic", "user": "${{ input.user }}", "password": "${{ secrets.MINE }}" });
    let request = sent(basic, "open sesame", "").await;
    assert_eq!(header(&request, "authorization"), "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");

    let key = json!({ "type": "header", "name": "X-Api-Key", "value": "${{ secrets.MINE }}" });
    let request = sent(key, "s3cret", "").await;
    assert_eq!(header(&request, "x-api-key"), "x-api-key: s3cret");
}

#[tokio::test]
async fn a_signature_is_that_of_the_body_as_it_is_sent() {
    let fox = "The quick brown fox jumps over the lazy dog";
    let auth = json!({ "type": "hmac", "name": "X-Signature", "key": "${{ secrets.MINE }}", "prefix": "sha256=" });
    let request = sent(auth.clone(), "key", fox).await;

    assert!(request.ends_with(fox), "{request}");
    assert_eq!(
        header(&request, "x-signature"),
        "x-signature: sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    );
    let other = sent(auth, "key", "another").await;
    assert_ne!(header(&other, "x-signature"), header(&request, "x-signature"));

    let auth = json!({ "type": "hmac", "name": "X-Signature", "key": "${{ secrets.MINE }}", "encoding": "base64" });
    let request = sent(auth, "key", fox).await;
    assert_eq!(header(&request, "x-signature"), "x-signature: 97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=");
}

#[tokio::test]
async fn a_secret_authenticates_to_its_own_hosts_only() {
    let server = Server::json("200 OK", "", "{}").await;
    for auth in [
        json!({ "type": "bearer", "token": "${{ secrets.MINE }}" }),
        json!({ "type": "basic", "user": "a", "password": "${{ secrets.MINE }}" }),
        json!({ "type": "header", "name": "X-Api-Key", "value": "${{ secrets.MINE }}" }),
        json!({ "type": "hmac", "name": "X-Signature", "key": "${{ secrets.MINE }}" }),
    ] {
        let config = json!({ "method": "POST", "url": server.url("/"), "auth": auth, "body": "b" });

        let error = run(&agents_with("s3cret", "api.example.com"), config, json!({})).await.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), ("secret_not_allowed", false), "{auth}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_secret_or_a_user_that_no_header_may_hold_fails_for_good_and_is_not_told() {
    let server = Server::json("200 OK", "", "{}").await;
    let bearer = json!({ "type": "bearer", "token": "${{ secrets.MINE }}" });
    let basic = json!({ "type": "basic", "user": "a:b", "password": "${{ secrets.MINE }}" });
    for auth in [bearer, basic] {
        let config = json!({ "url": server.url("/"), "auth": auth });

        let error = run(&agents_with("s3cret\r\nHost: b", "127.0.0.1"), config, json!({})).await.unwrap_err();

        assert_eq!((error.code.as_str(), error.retryable), ("invalid_request", false), "{auth}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_secret_that_the_other_side_repeats_is_taken_out_of_answers_and_errors() {
    let echo = r#"{"seen":{"authorization":"Basic YTpzM2NyZXQtdG9rZW4=","token":"<s3cret-token>"}}"#;
    let agents = agents_with("s3cret-token", "127.0.0.1");
    let auth = json!({ "type": "basic", "user": "a", "password": "${{ secrets.MINE }}" });

    let server = Server::json("200 OK", "", echo).await;
    let answer = run(&agents, json!({ "url": server.url("/"), "auth": auth }), json!({})).await.unwrap();
    assert!(server.requests()[0].contains("Basic YTpzM2NyZXQtdG9rZW4="), "it must be sent");
    assert_eq!(answer["body"]["seen"]["token"], "<[secret]>");
    assert!(!answer.to_string().contains("M2NyZXQtdG9rZW"), "{answer}");

    let server = Server::json("403 Forbidden", "", echo).await;
    let error = run(&agents, json!({ "url": server.url("/"), "auth": auth }), json!({})).await.unwrap_err();
    assert_eq!(error.code, "http_status");
    assert!(error.message.contains("<[secret]>") && !error.message.contains("M2NyZXQtdG9rZW"), "{error}");
}

#[tokio::test]
async fn a_secret_that_a_program_prints_does_not_reach_the_log() {
    let agents = agents_with("s3cret-token", "127.0.0.1");
    let source = "export default (inputs) => { console.log('got ' + inputs.token); return 1 }";
    let call = AgentCall { inputs: json!({ "token": "s3cret-token" }), ..code(source) };
    let lines = Arc::new(Lines::default());

    agents.run(call, lines.clone()).await.unwrap();

    assert_eq!(lines.take(), [(LogLevel::Info, "got [secret]".to_owned())]);
}

#[test]
fn what_is_wrong_with_it_is_told_at_once_and_a_secret_that_stands_in_it_is_not_repeated() {
    let url = "https://example.com/";
    for (config, expected) in [
        (json!({ "auth": "s3cret" }), vec!["auth"]),
        (json!({ "auth": { "token": "s3cret" } }), vec!["auth.type"]),
        (json!({ "auth": { "type": "oauth", "token": "s3cret" } }), vec!["auth.type"]),
        (json!({ "auth": { "type": "bearer" } }), vec!["auth.token"]),
        (json!({ "auth": { "type": "bearer", "token": "s3cret" } }), vec!["auth.token"]),
        (json!({ "auth": { "type": "bearer", "token": { "a": "${{ secrets.MINE }}" } } }), vec!["auth.token"]),
        (json!({ "auth": { "type": "basic", "token": "s3cret" } }), vec!["auth.user", "auth.password", "auth.token"]),
        (json!({ "auth": { "type": "header", "name": "Host", "value": "s3cret" } }), vec!["auth.name", "auth.value"]),
        (json!({ "auth": { "type": "hmac", "name": "X-S", "key": "${{ secrets.MINE }}" } }), vec!["auth"]),
        (
            json!({ "auth": { "type": "bearer", "token": "${{ secrets.MINE }}" }, "headers": { "Authorization": "a" } }),
            vec!["auth"],
        ),
    ] {
        let mut whole = config.clone();
        whole["url"] = url.into();

        let problems = validate_config(AgentType::Api, &whole).unwrap_err();

        let places: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(places, expected, "{config}: {problems}");
        let repeated = config["auth"].is_object() && problems.to_string().contains("s3cret");
        assert!(!repeated, "{problems}");
    }
}
