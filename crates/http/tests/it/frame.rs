//! What holds for every answer.

use serde_json::json;

use crate::world::{Ask, World};

#[tokio::test]
async fn what_is_not_there_or_not_so_is_a_problem_document() {
    let world = World::new().await;
    let ask = async |method, path| world.send(Ask { method, path, ..Ask::default() }).await;

    ask("GET", "/nothing").await.problem(404, "not_found");
    ask("GET", "/api/v1/nothing").await.problem(404, "not_found");
    ask("POST", "/health").await.problem(405, "method_not_allowed");
    ask("PUT", "/api/v1/workflows").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request_and_security_headers() {
    let world = World::new().await;
    for path in ["/health", "/nothing", "/api/v1/workflows", "/api/v1/openapi.json", "/api/v1/docs"] {
        let headers = [("x-request-id", "my-id_1.2:3")];
        let answer = world.send(Ask { path, headers: &headers, ..Ask::default() }).await;
        assert_eq!(answer.header("x-request-id"), "my-id_1.2:3", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}: no other site reads it");
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}: it is reached by https");
        if answer.status.is_client_error() {
            assert_eq!(answer.json()["request_id"], "my-id_1.2:3", "{path}");
        }
    }
    for refused in ["", "a b", "<script>", &"x".repeat(65)] {
        let headers = [("x-request-id", refused)];
        let answer = world.send(Ask { path: "/health", headers: &headers, ..Ask::default() }).await;
        assert!(answer.header("x-request-id") != refused && answer.header("x-request-id").len() == 32, "{refused}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_at_its_limit() {
    let world = World::new().await;
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    world.send(Ask { path: &path(8 * 1024), ..Ask::default() }).await.problem(404, "not_found");
    let refused = world.send(Ask { path: &path(8 * 1024 + 1), ..Ask::default() }).await.problem(414, "uri_too_long");
    assert_eq!((&refused["limit"], &refused["actual"]), (&json!(8192), &json!(8193)));

    let long = "x".repeat(33 * 1024);
    let headers = [("x-long", long.as_str())];
    let answer = world.send(Ask { path: "/health", headers: &headers, ..Ask::default() }).await;
    answer.problem(431, "headers_too_large");
}
