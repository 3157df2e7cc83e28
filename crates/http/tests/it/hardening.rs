//! What holds for every route, and is easily lost.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use turbocat_http::{document, routes};

use crate::{
    matrix::{Scene, Target},
    world::{Answer, Ask, PASSWORD, World},
};

/// Every route that only looks, asked for what is there, with its answer.
async fn looked_at(scene: &Scene, key: &str) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for route in routes(scene.world.state.clone()).iter().filter(|route| route.method == "GET") {
        let path = scene.path(route, Target::Owners);
        let headers: &[(&str, &str)] = if path.ends_with("/events") { &[("last-event-id", "end")] } else { &[] };
        let answer = scene.world.send(Ask { path: &path, key: Some(key), headers, ..Ask::default() }).await;
        answers.push((path, answer));
    }
    assert!(answers.len() > 20, "only {}", answers.len());
    answers
}

#[tokio::test]
async fn every_answer_says_what_it_is() {
    let scene = Scene::set().await;
    let key = scene.world.key(&scene.world.owner, &["*"]).await;
    let mut kinds = BTreeSet::new();
    let mut answers = looked_at(&scene, &key).await;
    for path in ["/health", "/nothing", "/api/v1/docs", "/api/v1/openapi.json", "/api/v1/users"] {
        answers.push((path.to_owned(), scene.world.get(&key, path).await));
    }
    for (path, answer) in answers {
        let kind = answer.header("content-type").to_owned();
        assert!(answer.text.is_empty() || !kind.is_empty(), "{path}: {answer:?}");
        // JSON is UTF-8 by its definition; what is text says so.
        assert!(
            !kind.starts_with("text/") || kind.ends_with("charset=utf-8") || kind == "text/event-stream",
            "{path}: {kind}"
        );
        if kind.contains("json") {
            answer.json();
        }
        kinds.insert(kind);
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

/// An answer without the time at which somebody last looked how a deployment is: that changes by looking.
fn lasting(answer: &Answer) -> String {
    const LOOKED_AT: &str = "\"last_health_check_at\":\"";
    let mut parts = answer.text.split(LOOKED_AT);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('"').map_or(part, |(_, rest)| rest))
}

#[tokio::test]
async fn nothing_is_changed_by_looking() {
    let scene = Scene::set().await;
    let key = scene.world.key(&scene.world.owner, &["*"]).await;
    let audited = scene.world.audited().await;
    let first: Vec<String> = looked_at(&scene, &key).await.into_iter().map(|(_, answer)| lasting(&answer)).collect();
    let second: Vec<String> = looked_at(&scene, &key).await.into_iter().map(|(_, answer)| lasting(&answer)).collect();

    let problems = |text: &String| text.contains("request_id");
    let differ = first.iter().zip(&second).filter(|(one, two)| one != two && !problems(one));
    assert_eq!(differ.collect::<Vec<_>>(), []);
    assert_eq!(scene.world.audited().await, audited);
}

#[tokio::test]
async fn no_answer_has_a_hash() {
    let scene = Scene::set().await;
    let admin = scene.world.key(&scene.world.admin, &["*"]).await;
    for (path, answer) in looked_at(&scene, &admin).await {
        for secret in ["_hash", "\"hash\"", PASSWORD, "the-owners-value", "sealed"] {
            assert!(!answer.text.contains(secret), "{path} has {secret}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn no_address_takes_a_secret() {
    let world = World::new().await;
    let described = serde_json::to_value(document(world.state.clone())).unwrap();
    let mut looked = 0;
    for route in routes(world.state.clone()) {
        let parameters = &described["paths"][&route.path][route.method.to_lowercase()]["parameters"];
        for parameter in parameters.as_array().into_iter().flatten().filter(|parameter| parameter["in"] != "header") {
            let name = parameter["name"].as_str().unwrap();
            looked += 1;
            for secret in ["token", "password", "secret", "key", "credential"] {
                let is_place = name == "step_key";
                assert!(is_place || !name.contains(secret), "{} takes {name}", route.path);
            }
        }
    }
    assert!(looked > 50, "only {looked}");
    let key = world.key(&world.owner, &["*"]).await;
    for name in ["api_key", "key", "token", "access_token"] {
        let path = format!("/api/v1/me?{name}={key}");
        world.send(Ask { path: &path, ..Ask::default() }).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn where_users_come_by_tls_they_are_told_to_come_by_no_other_way() {
    let world = World::new().await;
    for path in ["/health", "/nothing", "/api/v1/me", "/api/v1/docs"] {
        let answer = world.send(Ask { path, ..Ask::default() }).await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}

#[tokio::test]
async fn each_login_has_a_token_of_its_own() {
    let world = World::new().await;
    let mut tokens = BTreeSet::new();
    for _ in 0..5 {
        let body = json!({ "email": "owner@example.com", "password": PASSWORD, "return_token": true });
        let before = tokens.iter().next_back().cloned();
        // Whatever session the request comes with, it is not taken over.
        let ask = Ask {
            method: "POST",
            path: "/api/v1/sessions",
            key: before.as_deref(),
            body: Some(body),
            ..Ask::default()
        };
        let view = world.send(ask).await.expect(201);
        tokens.insert(view["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(tokens.len(), 5);
}

#[tokio::test]
async fn a_password_is_taken_whatever_its_characters_and_compared_as_it_is() {
    let world = World::new().await;
    let admin = world.key(&world.admin, &["*"]).await;
    let long = "x".repeat(256);
    let passwords = ["        ", "aaaaaaab", "pässwörd\u{1f408}", "  padded ", "tab\tand\nline", long.as_str()];
    for (index, password) in passwords.into_iter().enumerate() {
        let email = format!("user{index}@example.com");
        let made = world.post(&admin, "/api/v1/users", json!({ "email": email, "password": password })).await;
        made.expect(201);
        let log_in = async |password: &str| {
            let body: Value = json!({ "email": email, "password": password });
            let ask = Ask { method: "POST", path: "/api/v1/sessions", body: Some(body), ..Ask::default() };
            world.send(ask).await.status.as_u16()
        };
        assert_eq!(log_in(password).await, 201, "{password:?}");
        let (upper, longer, mut shorter) = (password.to_uppercase(), format!("{password}x"), password.to_owned());
        shorter.pop();
        let others = [password.trim(), &shorter, &upper, &longer];
        for other in others.into_iter().filter(|other| *other != password) {
            assert_eq!(log_in(other).await, 401, "{other:?} for {password:?}");
        }
    }
}
