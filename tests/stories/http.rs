//! The HTTP API as a program uses it, with a key that the command line made.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use crate::{
    documents::COUNT,
    turbocat::{LOOK, Turbocat, within},
};

/// What is asked.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) key: &'a str,
    /// Its type, and what it says.
    pub(crate) body: Option<(&'a str, String)>,
    /// More of the head: whole lines.
    pub(crate) head: &'a str,
}

/// Asks a server, and returns the status and the body. A stream is read to its end.
pub(crate) async fn ask(address: &str, request: Request<'_>) -> (u16, String) {
    let (head, body) = exchange(address, request).await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// Asks a server, and returns the head and the body of its answer.
pub(crate) async fn exchange(address: &str, request: Request<'_>) -> (String, String) {
    let Request { method, path, key, body, head } = request;
    within(&format!("{method} {path} answers"), async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (media_type, body) = body.unwrap_or_default();
        // Without chunks, as a client of HTTP/1.0 is answered.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{head}\
             content-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    })
    .await
}

/// Asks for a document.
pub(crate) async fn json(address: &str, request: Request<'_>) -> (u16, Value) {
    let (status, text) = ask(address, request).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// A request for what is at a path.
pub(crate) fn get<'a>(path: &'a str, key: &'a str) -> Request<'a> {
    Request { method: "GET", path, key, ..Request::default() }
}

/// Publishes a workflow that counts words, runs it on three of them, and returns its execution. `head` has more lines of
/// the request that starts it.
pub(crate) async fn count_three_words(address: &str, key: &str, head: &str) -> Value {
    let publish = Some(("application/yaml", COUNT.to_owned()));
    let publish = Request { method: "POST", body: publish, ..get("/api/v1/workflows", key) };
    assert_eq!(json(address, publish).await.0, 201);
    let start = json!({ "workflow": "count", "input": { "text": "one two three" } }).to_string();
    let body = Some(("application/json", start));
    let start = Request { method: "POST", body, head, ..get("/api/v1/executions?wait=30", key) };
    let (status, ended) = json(address, start).await;
    assert_eq!((status, &ended["output"]["words"]), (200, &json!(3)), "{ended}");
    ended
}

fn start<'a>(path: &'a str, key: &'a str, name: &str) -> Request<'a> {
    let body = json!({ "workflow": "hello", "input": { "name": name } }).to_string();
    Request { method: "POST", path, key, body: Some(("application/json", body)), ..Request::default() }
}

#[tokio::test]
async fn a_program_publishes_starts_and_follows_and_its_key_ends_in_all_processes() {
    let turbocat = Turbocat::with_empty_database().await;
    let (first, one) = turbocat.up().await;
    let (second, other) = turbocat.up().await;
    turbocat.run(&["users", "create", "--email", "ada@example.com"]).await.success();
    let made = turbocat.run(&["keys", "create", "--user", "ada@example.com", "--name", "story", "--scope", "*"]).await;
    let key = made.success().stdout.trim().to_owned();

    let text = std::fs::read_to_string(crate::turbocat::root().join("examples/hello.yaml")).unwrap();
    let publish = Request { body: Some(("application/yaml", text)), ..get("/api/v1/workflows", &key) };
    let (status, report) = json(&one, Request { method: "POST", ..publish }).await;
    assert_eq!((status, report["published"].as_array().unwrap().len()), (201, 2), "{report}");

    let (status, ended) = json(&other, start("/api/v1/executions?wait=30", &key, "Ada")).await;
    assert_eq!((status, &ended["output"]["greeting"]), (200, &json!("Hello, Ada!")), "{ended}");
    let path = format!("/api/v1/executions/{}/events", ended["id"].as_str().unwrap());
    let (status, events) = ask(&one, get(&path, &key)).await;
    assert!(status == 200 && events.contains("event: step") && events.contains("id: end"), "{events}");

    let head = "idempotency-key: once\r\n";
    let (status, begun) = json(&one, Request { head, ..start("/api/v1/executions", &key, "Grace") }).await;
    assert_eq!(status, 202, "{begun}");
    let again = json(&other, Request { head, ..start("/api/v1/executions", &key, "Grace") }).await;
    assert_eq!(again, (202, begun), "the same request is answered as before, whoever answers");
    let (status, conflict) = json(&other, Request { head, ..start("/api/v1/executions", &key, "Alan") }).await;
    assert_eq!((status, &conflict["code"]), (409, &json!("idempotency_conflict")));

    let (_, keys) = json(&one, get("/api/v1/api-keys", &key)).await;
    turbocat.run(&["keys", "revoke", keys["items"][0]["id"].as_str().unwrap()]).await.success();
    for address in [&one, &other] {
        within("the key is refused", async {
            let mut look = time::interval(LOOK);
            while ask(address, get("/api/v1/me", &key)).await.0 != 401 {
                look.tick().await;
            }
        })
        .await;
    }
    for server in [first, second] {
        server.signal("TERM").await;
        assert_eq!(server.end().await.code(), Some(0));
    }
}
