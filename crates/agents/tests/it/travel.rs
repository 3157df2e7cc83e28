//! Requests that go further than one answer: redirects, pages, and answers that must have a form.

use std::{net::IpAddr, sync::Arc};

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, EgressPolicy, NamedSecret, Secret};
use turbocat_domain::{agent::AgentType, port::AgentRunner, step_run::StepError};

use crate::{
    server::{Server, json_answer},
    support::{Lines, agents, call, config, local_config},
};

async fn run_with(agents: &Agents, config: Value) -> Result<Value, StepError> {
    agents.run(call(AgentType::Api, config), Arc::new(Lines::default())).await
}

/// Runs an agent that may reach this machine, and has a secret for it.
async fn run(config: Value) -> Result<Value, StepError> {
    let secret = NamedSecret { value: Secret::new("s3cret-token"), hosts: vec!["127.0.0.1".to_owned()] };
    let secrets = [("KEY".to_owned(), secret)].into();
    run_with(&Agents::new(AgentsConfig { secrets, ..local_config() }).unwrap(), config).await
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .into_bytes()
}

fn line(request: &str) -> &str {
    request.lines().next().unwrap()
}

#[tokio::test]
async fn a_redirect_is_followed_to_its_end() {
    let server = Server::answering_in_turn(vec![
        redirect(302, "/second?a=1"),
        redirect(308, "third#part"),
        json_answer("200 OK", r#"{"there":true}"#),
    ])
    .await;

    let answer = run(json!({ "url": server.url("/first/?b=2") })).await.unwrap();

    assert_eq!(answer["body"], json!({ "there": true }));
    let requests = server.requests();
    let lines: Vec<&str> = requests.iter().map(|request| line(request)).collect();
    assert_eq!(lines, ["GET /first/?b=2 HTTP/1.1", "GET /second?a=1 HTTP/1.1", "GET /third HTTP/1.1"]);
}

#[tokio::test]
async fn what_becomes_of_the_method_and_the_body_depends_on_the_status() {
    let cases = [
        ("POST", 301, "GET", false),
        ("POST", 302, "GET", false),
        ("PUT", 302, "PUT", true),
        ("POST", 303, "GET", false),
        ("PUT", 303, "GET", false),
        ("POST", 307, "POST", true),
        ("PATCH", 308, "PATCH", true),
    ];
    for (method, status, then, with_body) in cases {
        let server = Server::answering_in_turn(vec![redirect(status, "/next"), json_answer("200 OK", "{}")]).await;
        let config = json!({ "method": method, "url": server.url("/"), "body": { "n": 1 } });

        run(config).await.unwrap();

        let second = server.requests().remove(1);
        assert_eq!(line(&second), format!("{then} /next HTTP/1.1"), "{method} after {status}");
        assert_eq!(second.ends_with(r#"{"n":1}"#), with_body, "{method} after {status}: {second}");
        assert_eq!(second.contains("content-type"), with_body, "{method} after {status}: {second}");
    }
}

#[tokio::test]
async fn what_shows_who_asks_stays_with_the_origin_that_it_was_meant_for() {
    let other = Server::json("200 OK", "", "{}").await;
    let server = Server::answering_in_turn(vec![redirect(307, "/same"), redirect(307, &other.url("/other"))]).await;
    let config = json!({
        "url": server.url("/"),
        "auth": { "type": "bearer", "token": "${{ secrets.KEY }}" },
        "headers": { "X-Key": "${{ secrets.KEY }}", "Cookie": "a=b", "X-Plain": "kept" },
    });

    run(config).await.unwrap();

    let same = server.requests().remove(1);
    assert!(same.contains("Bearer s3cret-token") && same.contains("cookie: a=b"), "{same}");
    // The other server is on the same host, for which the secret is meant, too: its port makes it another origin.
    let led = other.requests().remove(0);
    assert!(led.contains("x-plain: kept") && led.contains("idempotency-key: "), "{led}");
    for dropped in ["s3cret-token", "authorization", "x-key", "cookie"] {
        assert!(!led.contains(dropped), "{led}");
    }
}

#[tokio::test]
async fn no_redirect_leads_to_an_address_that_is_not_public() {
    let places = [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:80/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://2130706434/",
        "http://0x7f000002/",
        "http://0177.0.0.2/",
        "http://127.0.0.2/",
        "//192.168.0.1/",
        "http://user:password@169.254.169.254/",
        "http://metadata.google.internal/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ];
    for place in places {
        let server = Server::answering(redirect(302, place)).await;
        let error = run(json!({ "url": server.url("/") })).await.unwrap_err();
        let is_unknown_name = place.contains("metadata.google") && error.code == "connect_failed";
        assert!(error.code == "egress_denied" || is_unknown_name, "{place}: {error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_to_a_name_is_judged_by_what_the_name_resolves_to() {
    // Only this one address is allowed; the name resolves to another one of this machine.
    let address: IpAddr = "127.0.0.2".parse().unwrap();
    let inner = Server::json("200 OK", "", r#"{"inner":true}"#).await;
    let port = inner.address.port();
    let outer = Server::on(address, vec![redirect(302, &format!("http://localhost:{port}/"))]).await;
    let egress = EgressPolicy::allowing(["127.0.0.2"]).unwrap();
    let agents = Agents::new(AgentsConfig { egress, ..config() }).unwrap();

    let error = run_with(&agents, json!({ "url": outer.url("/") })).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("egress_denied", false), "{error}");
    assert_eq!((outer.requests().len(), inner.requests().len()), (1, 0));
}

#[tokio::test]
async fn redirects_are_bounded_and_can_be_seen_instead() {
    let round = Server::answering(redirect(302, "/again")).await;
    let error = run(json!({ "url": round.url("/"), "redirects": 3 })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("too_many_redirects", false));
    assert_eq!(round.requests().len(), 4);

    let none = run(json!({ "url": round.url("/"), "redirects": 0 })).await.unwrap_err();
    assert_eq!((none.code.as_str(), none.retryable), ("http_status", false), "{none}");
    let seen = run(json!({ "url": round.url("/"), "accept_status": [302] })).await.unwrap();
    assert_eq!((&seen["status"], &seen["headers"]["location"]), (&json!(302), &json!("/again")));
}

/// Pages of numbers, by what a visitor is told of the next one.
fn page(items: &Value, next: &str, link: &str) -> Vec<u8> {
    let body = json!({ "items": items, "next": next }).to_string();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    format!("{head}content-length: {length}\r\n{link}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn pages_are_followed_by_their_links() {
    let server = Server::answering_in_turn(vec![
        page(&json!([1, 2]), "", "link: </?page=9>; rel=\"last\", </list?page=2&x=1>; rel=\"next\"\r\n"),
        page(&json!([3]), "", ""),
    ])
    .await;
    let config = json!({
        "url": server.url("/list"), "pages": { "by": "link", "items": "${{ output.body.items }}" },
        "response": { "all": "${{ output.body }}", "pages": "${{ output.pages }}", "complete": "${{ output.complete }}" },
    });

    assert_eq!(run(config).await.unwrap(), json!({ "all": [1, 2, 3], "pages": 2, "complete": true }));
    assert_eq!(line(&server.requests()[1]), "GET /list?page=2&x=1 HTTP/1.1");
}

#[tokio::test]
async fn pages_are_followed_by_a_cursor_a_number_or_an_offset() {
    let answers = || vec![page(&json!([1, 2]), "c 2", ""), page(&json!([3, 4]), "c3", ""), page(&json!([]), "", "")];
    let cases = [
        (
            json!({ "by": "cursor", "cursor": "${{ output.body.next }}", "parameter": "after" }),
            ["/list?q=x", "/list?q=x&after=c+2", "/list?q=x&after=c3"],
        ),
        (json!({ "by": "page", "parameter": "page" }), ["/list?q=x&page=1", "/list?q=x&page=2", "/list?q=x&page=3"]),
        (
            json!({ "by": "offset", "parameter": "skip", "size": 2 }),
            ["/list?q=x&skip=0", "/list?q=x&skip=2", "/list?q=x&skip=4"],
        ),
    ];
    for (mut pages, expected) in cases {
        let server = Server::answering_in_turn(answers()).await;
        pages["items"] = json!("${{ output.body.items }}");
        let config = json!({ "url": server.url("/list"), "query": { "q": "x" }, "pages": pages });

        let answer = run(config).await.unwrap();

        assert_eq!((&answer["body"], &answer["pages"]), (&json!([1, 2, 3, 4]), &json!(3)));
        let requests = server.requests();
        let asked: Vec<&str> = requests.iter().map(|request| line(request).split(' ').nth(1).unwrap()).collect();
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn pages_are_bounded_in_number_and_size_and_one_that_comes_again_ends_them() {
    let items = json!({ "by": "page", "parameter": "page", "items": "${{ output.body.items }}", "max": 3 });
    let endless = Server::answering(page(&json!([1]), "same", "")).await;
    let answer = run(json!({ "url": endless.url("/"), "pages": items })).await.unwrap();
    assert_eq!((&answer["body"], &answer["complete"]), (&json!([1, 1, 1]), &json!(false)));

    let pages = json!({ "by": "cursor", "cursor": "${{ output.body.next }}", "parameter": "p", "items": "${{ output.body.items }}" });
    let error = run(json!({ "url": endless.url("/"), "pages": pages })).await.unwrap_err();
    assert_eq!((error.code.as_str(), endless.requests().len()), ("http_bad_answer", 5), "{error}");

    let large = Server::answering(page(&json!(["x".repeat(1 << 20)]), "", "")).await;
    let items = json!({ "by": "page", "parameter": "page", "items": "${{ output.body.items }}" });
    let error = run(json!({ "url": large.url("/"), "pages": items })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("output_too_large", false), "{error}");
    let none = json!({ "by": "page", "parameter": "page", "items": "${{ output.body }}" });
    let error = run(json!({ "url": endless.url("/"), "pages": none })).await.unwrap_err();
    assert_eq!(error.code, "http_bad_answer");
}

#[tokio::test]
async fn a_next_page_elsewhere_is_asked_for_without_credentials_and_only_where_it_may_be() {
    let other = Server::answering(page(&json!([2]), "", "")).await;
    let link = |to: &str| page(&json!([1]), "", &format!("link: <{to}>; rel=next\r\n"));
    let server = Server::answering(link(&other.url("/more"))).await;
    let config = |server: &Server| {
        json!({
            "url": server.url("/"), "auth": { "type": "bearer", "token": "${{ secrets.KEY }}" },
            "pages": { "by": "link", "items": "${{ output.body.items }}" },
        })
    };

    assert_eq!(run(config(&server)).await.unwrap()["body"], json!([1, 2]));
    assert!(server.requests()[0].contains("s3cret-token"));
    assert!(!other.requests()[0].contains("s3cret-token"), "{}", other.requests()[0]);
    let bad = Server::answering(link("http://169.254.169.254/")).await;
    assert_eq!(run(config(&bad)).await.unwrap_err().code, "egress_denied");
}

#[tokio::test]
async fn an_answer_must_fit_its_schema_and_what_does_not_is_told_with_its_place() {
    let server = Server::json("200 OK", "", r#"{"id": 7, "tags": ["a", 1]}"#).await;
    let with = |schema: Value| json!({ "url": server.url("/"), "response_schema": schema });
    let tags = |kind: &str| json!({ "type": "object", "properties": { "tags": { "items": { "type": kind } }, "id": { "type": "integer" } } });

    let error = run(with(tags("string"))).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("response_invalid", false));
    assert!(error.message.contains("`/tags/1`") && !error.message.contains("`/id`"), "{error}");
    assert!(run(with(tags("integer"))).await.unwrap_err().message.contains("`/tags/0`"));
    run(with(json!({ "required": ["id"] }))).await.unwrap();

    let problems = agents().check(AgentType::Api, &with(json!({ "type": "objekt" }))).await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.path == "response_schema/type"), "{problems}");
    for (wrong, path) in [
        (json!({ "response_schema": 1 }), "response_schema"),
        (json!({ "redirects": 11 }), "redirects"),
        (json!({ "pages": { "by": "cursor" } }), "pages.cursor"),
        (json!({ "pages": { "by": "offset", "parameter": "a", "items": [] } }), "pages.size"),
        (json!({ "pages": { "by": "link", "items": [], "first": 1 } }), "pages.first"),
        (json!({ "pages": { "by": "link", "items": [] }, "method": "POST" }), "pages"),
    ] {
        let mut config = wrong.clone();
        config["url"] = json!("https://example.com");
        let problems = turbocat_agents::validate_config(AgentType::Api, &config).unwrap_err();
        assert!(problems.iter().any(|problem| problem.path == path), "{wrong}: {problems}");
    }
}

#[tokio::test]
async fn a_page_that_is_refused_for_now_is_tried_again_no_earlier_than_it_asks() {
    let busy = b"HTTP/1.1 429 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    let server = Server::answering_in_turn(vec![redirect(307, "/x"), busy]).await;

    let error = run(json!({ "url": server.url("/") })).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable, error.retry_after_ms), ("http_status", true, Some(7_000)));
}
