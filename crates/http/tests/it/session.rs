//! Logging in: cookies, tokens, and what they are refused.

use serde_json::json;

use crate::world::{Answer, Ask, HELLO, PASSWORD, World};

const SESSIONS: &str = "/api/v1/sessions";

async fn log_in(world: &World, email: &str, password: &str, return_token: bool) -> Answer {
    let body = json!({ "email": email, "password": password, "return_token": return_token });
    world.send(Ask { method: "POST", path: SESSIONS, body: Some(body), ..Ask::default() }).await
}

/// The pair of a cookie that was set.
fn pair(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn with_cookie(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    world.send(Ask { method, path, headers, ..Ask::default() }).await
}

#[tokio::test]
async fn a_login_sets_a_cookie_that_a_logout_takes() {
    let world = World::new().await;
    let answer = log_in(&world, "owner@example.com", PASSWORD, false).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-turbocat_session=tc_session_"), "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=604800"] {
        assert!(cookie.contains(attribute), "{cookie} has no {attribute}");
    }
    let pair = pair(&answer);
    let view = answer.expect(201);
    assert_eq!((&view["token"], &view["user"]["email"]), (&json!(null), &json!("owner@example.com")));

    let cookie = [("cookie", pair.as_str())];
    let me = with_cookie(&world, "GET", "/api/v1/me", &cookie).await.expect(200);
    assert_eq!(me["user"]["id"], view["user"]["id"]);
    let listed = with_cookie(&world, "GET", SESSIONS, &cookie).await;
    assert!(!listed.text.contains("tc_session_"), "{}", listed.text);
    assert_eq!(listed.expect(200)["items"][0]["ip_address"], "192.0.2.1");

    let current = format!("{SESSIONS}/current");
    with_cookie(&world, "DELETE", &current, &cookie).await.problem(403, "cross_site");
    let ours = [("cookie", pair.as_str()), ("sec-fetch-site", "same-origin")];
    let out = with_cookie(&world, "DELETE", &current, &ours).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    out.expect(204);
    with_cookie(&world, "GET", "/api/v1/me", &cookie).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_cookie_changes_nothing_for_another_site_and_is_no_key() {
    let world = World::new().await;
    let report = world.publish(&world.owner, HELLO).await;
    let path = format!("/api/v1/workflows/{}", report["published"][1]["id"].as_str().unwrap());
    let pair = pair(&log_in(&world, "owner@example.com", PASSWORD, false).await);
    for headers in [
        &[("cookie", pair.as_str())][..],
        &[("cookie", &pair), ("sec-fetch-site", "cross-site")],
        &[("cookie", &pair), ("sec-fetch-site", "same-site")],
        &[("cookie", &pair), ("origin", "https://evil.example"), ("host", "localhost:8484")],
    ] {
        with_cookie(&world, "DELETE", &path, headers).await.problem(403, "cross_site");
    }
    let ours = [("cookie", pair.as_str()), ("origin", "http://localhost:8484"), ("host", "localhost:8484")];
    with_cookie(&world, "DELETE", &path, &ours).await.expect(204);

    let key = world.key(&world.owner, &["*"]).await;
    let cookie = format!("__Host-turbocat_session={key}");
    with_cookie(&world, "GET", "/api/v1/me", &[("cookie", &cookie)]).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_is_sent_like_a_key() {
    let world = World::new().await;
    let answer = log_in(&world, "owner@example.com", PASSWORD, true).await;
    assert_eq!(answer.header("set-cookie"), "");
    let view = answer.expect(201);
    let token = view["token"].as_str().unwrap();

    world.get(token, "/api/v1/me").await.expect(200);
    let id = view["session"]["id"].as_str().unwrap();
    let path = format!("{SESSIONS}/{id}");
    let stranger = world.key(&world.other, &["*"]).await;
    let ask = |key| Ask { method: "DELETE", path: &path, key: Some(key), ..Ask::default() };
    world.send(ask(&stranger)).await.problem(404, "not_found");
    world.send(ask(token)).await.expect(204);
    world.get(token, "/api/v1/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_not_told() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for (email, password) in [("owner@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("nonsense", "x")] {
        let answer = log_in(&world, email, password, false).await;
        assert_eq!(answer.header("set-cookie"), "");
        let mut document = answer.problem(401, "unauthenticated");
        document.as_object_mut().unwrap().remove("request_id");
        answers.push(document);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");

    for _ in 0..4 {
        log_in(&world, "owner@example.com", "wrong", false).await.problem(401, "unauthenticated");
    }
    let refused = log_in(&world, "owner@example.com", PASSWORD, false).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.problem(429, "rate_limited");
    let body = json!({ "email": "owner@example.com", "password": PASSWORD });
    let from = "198.51.100.7:80";
    world.send(Ask { method: "POST", path: SESSIONS, body: Some(body), from, ..Ask::default() }).await.expect(201);
}

#[tokio::test]
async fn who_knows_the_password_changes_it_and_all_sessions_end() {
    let world = World::new().await;
    let sign_in = async |password: &str| log_in(&world, "owner@example.com", password, true).await;
    let token = sign_in(PASSWORD).await.expect(201)["token"].as_str().unwrap().to_owned();
    let key = world.key(&world.owner, &["executions:read"]).await;
    let change = async |current: &str, new: &str| {
        world.post(&token, "/api/v1/me/password", json!({ "current": current, "new": new })).await
    };
    let problem = change("wrong", "short").await.problem(422, "invalid");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/new", "/current"]);
    change("wrong", "a new correct horse").await.problem(422, "invalid");
    sign_in(PASSWORD).await.expect(201);
    world.store.clock().advance_ms(60_000);

    change(PASSWORD, "a new correct horse").await.expect(204);
    world.get(&token, "/api/v1/me").await.problem(401, "unauthenticated");
    sign_in(PASSWORD).await.problem(401, "unauthenticated");
    sign_in("a new correct horse").await.expect(201);
    world.get(&key, "/api/v1/executions").await.expect(200);
    let service = world.account("bot@example.com", turbocat_domain::user::UserRole::Agent).await;
    let key = world.key(&service, &["*"]).await;
    let body = json!({ "current": "", "new": "a new correct horse" });
    world.post(&key, "/api/v1/me/password", body).await.problem(422, "invalid");
}
