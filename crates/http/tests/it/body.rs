//! Bodies: what is read, what is refused, and how that is told.

use serde_json::{Value, json};

use crate::world::{Answer, Ask, HELLO, World};

async fn send(world: &World, key: &str, path: &str, (media, text): (&str, &str)) -> Answer {
    let headers = [("content-type", media)];
    world.send(Ask { method: "POST", path, key: Some(key), headers: &headers, text, ..Ask::default() }).await
}

const START: &str = "/api/v1/executions";

#[tokio::test]
async fn what_is_no_json_that_can_be_stored_is_refused() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let json = "application/json";
    for text in [
        "",
        "{",
        "nonsense",
        "{} {}",
        r#"{"workflow": "a", "workflow": "b"}"#,
        r#"{"workflow": "a", "input": {"x": 1, "x": 2}}"#,
        r#"{"workflow": "a\u0000"}"#,
        r#"{"workflow": "\ud800"}"#,
        r#"{"workflow": "a", "input": NaN}"#,
    ] {
        send(&world, &key, START, (json, text)).await.problem(400, "invalid_json");
    }
    let nested = |depth: usize| format!(r#"{{"workflow": "a", "input": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    send(&world, &key, START, (json, &nested(63))).await.problem(404, "not_found");
    send(&world, &key, START, (json, &nested(64))).await.problem(400, "json_too_large");
    send(&world, &key, START, (json, &nested(6_400))).await.problem(400, "invalid_json");
    for media in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        send(&world, &key, START, (media, r#"{"workflow": "a"}"#)).await.problem(415, "unsupported_media_type");
    }
    send(&world, &key, START, ("Application/JSON; charset=utf-8", "{}")).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_limit() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let padded = |bytes: usize| {
        let head = r#"{"workflow": "none"}"#;
        format!("{head}{}", " ".repeat(bytes - head.len()))
    };
    let json = "application/json";
    let start_max = 4 * 1024 * 1024 + 4 * 1024;
    send(&world, &key, START, (json, &padded(start_max))).await.problem(404, "not_found");
    send(&world, &key, START, (json, &padded(start_max + 1))).await.problem(413, "payload_too_large");
    let other_max = 1024 * 1024;
    send(&world, &key, "/api/v1/api-keys", (json, &padded(other_max))).await.problem(422, "invalid");
    send(&world, &key, "/api/v1/api-keys", (json, &padded(other_max + 1))).await.problem(413, "payload_too_large");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_located() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let admin = world.key(&world.admin, &["*"]).await;
    for (key, path, body, pointer) in [
        (&key, "/api/v1/api-keys", json!({ "name": "a", "scopes": ["*", 7] }), "/scopes/1"),
        (&key, "/api/v1/api-keys", json!({ "name": "a", "scopes": ["*", "nonsense"] }), "/scopes/1"),
        (&key, "/api/v1/api-keys", json!({ "name": "", "scopes": ["*"] }), "/name"),
        (
            &key,
            "/api/v1/api-keys",
            json!({ "name": "a", "scopes": ["*"], "rate_limit_per_minute": -1 }),
            "/rate_limit_per_minute",
        ),
        (&admin, "/api/v1/users", json!({ "email": "nonsense" }), "/email"),
        (&admin, "/api/v1/users", json!({ "email": "a@b.c", "role": "root" }), "/role"),
        (&admin, "/api/v1/users", json!({ "email": "a@b.c", "password": "short" }), "/password"),
        (&key, START, json!({ "workflow_id": "nonsense" }), "/workflow_id"),
    ] {
        let problem = world.post(key, path, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    world.publish(&world.owner, HELLO).await;
    let body = json!({ "workflow": "hello", "input": { "name": "too long" } });
    let problem = world.post(&key, START, body).await.problem(422, "invalid_input");
    assert_eq!(problem["errors"][0]["pointer"], "/input/name");

    let text = "name: w\nsteps:\n  - key: a\n    type: agent\n    agent: nobody\n";
    let problem =
        send(&world, &key, "/api/v1/workflows", ("application/yaml", text)).await.problem(422, "invalid_documents");
    let error = &problem["errors"][0];
    assert_eq!((&error["pointer"], &error["line"]), (&json!("/steps/0/agent"), &json!(5)), "{problem}");
}

/// What only the server writes.
const SERVER_OWNED: [&str; 24] = [
    "id",
    "user_id",
    "created_at",
    "updated_at",
    "deleted_at",
    "version",
    "usage_count",
    "last_used_at",
    "key_hash",
    "key_prefix",
    "is_active",
    "email_verified",
    "email_verified_at",
    "last_login_at",
    "password_hash",
    "role",
    "status",
    "output",
    "trigger_type",
    "steps_total",
    "worker_id",
    "is_official",
    "total_executions",
    "definition",
];

#[tokio::test]
async fn nothing_that_only_the_server_writes_can_be_sent() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.admin, &["*"]).await;
    let user = format!("/api/v1/users/{}", world.other.id);
    let cases: [(&str, &str, Value, &[&str]); 6] = [
        ("POST", START, json!({ "workflow": "hello" }), &[]),
        ("POST", "/api/v1/api-keys", json!({ "name": "a", "scopes": ["*"] }), &["user_id"]),
        ("POST", "/api/v1/secrets", json!({ "name": "A", "value": "the-value" }), &["user_id"]),
        ("POST", "/api/v1/users", json!({ "email": "new@example.com" }), &["role"]),
        ("PATCH", &user, json!({ "full_name": "Eve" }), &["role", "is_active"]),
        ("POST", "/api/v1/sessions", json!({ "email": "a@b.c", "password": "x" }), &[]),
    ];
    let mut tried = 0;
    for (method, path, body, taken) in cases {
        for field in SERVER_OWNED.iter().filter(|field| !taken.contains(field)) {
            let mut body = body.clone();
            body[*field] = json!("x");
            let asked = Ask { method, path, key: Some(&key), body: Some(body), ..Ask::default() };
            let problem = world.send(asked).await.problem(422, "invalid");
            assert!(problem["errors"][0]["message"].as_str().unwrap().contains(field), "{path} {field}: {problem}");
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} were tried");
    assert_eq!(world.get(&key, "/api/v1/users").await.expect(200)["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_query_with_anything_unknown_is_refused_and_injects_nothing() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["*"]).await;
    let injections = ["'", "' OR 1=1 --", "\"; DROP TABLE users; --", "%27", "\\", "1;SELECT pg_sleep(9)", "{}", "[]"];
    let parameters = [
        ("/api/v1/workflows", &["name", "status", "tag", "public", "deleted", "limit", "after", "unknown", "sort"][..]),
        ("/api/v1/agents", &["name", "type", "status", "tag", "public", "deleted", "limit", "after"]),
        ("/api/v1/executions", &["workflow_id", "status", "parent_id", "limit", "after"]),
        ("/api/v1/api-keys", &["user_id", "limit", "after"]),
        ("/api/v1/sessions", &["limit", "after"]),
        ("/api/v1/secrets", &["user_id", "limit", "after"]),
    ];
    let mut tried = 0;
    for (path, names) in parameters {
        for (name, value) in names.iter().flat_map(|name| injections.map(|value| (*name, value))) {
            let encoded = value.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"));
            let answer = world.get(&key, &format!("{path}?{name}={encoded}")).await;
            match answer.status.as_u16() {
                // A name can be any text, and none is called like this.
                200 => assert_eq!((name, &answer.json()["items"]), ("name", &json!([])), "{path} {name}={value}"),
                404 => assert_eq!(name, "user_id"),
                status => assert_eq!(status, 400, "{path} {name}={value}: {}", answer.text),
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "only {tried} were tried");
}
