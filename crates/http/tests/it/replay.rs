//! What was sent once, sent again by who has heard it.

use serde_json::{Value, json};
use turbocat_application::{Actor, Origin};
use turbocat_domain::port::PageRequest;

use crate::{
    triggers::{HOOKED, KEY, Message, executions, published, set_keys},
    world::{Ask, HELLO, PASSWORD, World},
};

#[tokio::test]
async fn a_delivery_that_is_played_again_starts_nothing() {
    let world = World::new().await;
    let [hooked, _] = published(&world, HOOKED).await;
    set_keys(&world, &world.owner, &[&KEY]).await;
    let at = world.now().timestamp();
    let message = Message { id: "msg_1", at, body: r#"{"test": 1}"#, keys: &[&KEY] };
    let first = message.send(&world, &hooked).await.expect(202)["id"].clone();
    for _ in 0..100 {
        let again = message.send(&world, &hooked).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(202)["id"], first);
    }
    let at_once = futures_util::future::join_all((0..50).map(|_| message.send(&world, &hooked))).await;
    assert!(at_once.into_iter().all(|answer| answer.expect(202)["id"] == first));

    // What was signed is signed with its time, its id and its body: none of them can be another.
    let headers = message.headers();
    for (name, forged) in [("webhook-id", "msg_2".to_owned()), ("webhook-timestamp", (at + 60).to_string())] {
        let mut headers = headers.clone();
        headers.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, value)| value.clone_from(&forged));
        message.send_with(&world, &hooked, &headers).await.problem(401, "unauthenticated");
    }
    Message { body: r#"{"test": 2}"#, ..message }
        .send_with(&world, &hooked, &headers)
        .await
        .problem(401, "unauthenticated");

    // The memory of what was sent outlasts what the clock forgives.
    for minutes in [6, 60, 60 * 23, 60 * 24 * 30] {
        world.store.clock().advance_ms(minutes * 60_000);
        message.send_with(&world, &hooked, &headers).await.problem(401, "unauthenticated");
    }
    assert_eq!(executions(&world).await.len(), 1);
}

#[tokio::test]
async fn a_key_of_idempotency_is_nobody_elses() {
    let world = World::new().await;
    for user in [&world.owner, &world.other] {
        world.publish(user, HELLO).await;
    }
    let start = async |key: &str, body: Value| {
        let headers = &[("idempotency-key", "order-7")];
        let ask = Ask {
            method: "POST",
            path: "/api/v1/executions",
            key: Some(key),
            headers,
            body: Some(body),
            ..Ask::default()
        };
        world.send(ask).await
    };
    let owner = world.key(&world.owner, &["*"]).await;
    let other = world.key(&world.other, &["*"]).await;
    let body = json!({ "workflow": "hello", "input": { "name": "a" } });
    let first = start(&owner, body.clone()).await.expect(202);

    let theirs = start(&other, body.clone()).await.expect(202);
    assert_ne!(theirs["id"], first["id"], "who has heard the key learns nothing by it");
    assert_eq!(start(&owner, body).await.expect(202)["id"], first["id"]);
    start(&owner, json!({ "workflow": "hello" })).await.problem(409, "idempotency_conflict");
    assert_eq!(executions(&world).await.len(), 2);
}

#[tokio::test]
async fn what_was_ended_is_not_taken_again() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let body = json!({ "email": "owner@example.com", "password": PASSWORD, "return_token": true });
    let login = world.post(&key, "/api/v1/sessions", body).await.expect(201);
    let session = login["token"].as_str().unwrap();
    for credential in [&key, session] {
        world.get(credential, "/api/v1/me").await.expect(200);
    }
    let actor = Actor::from(&world.owner);
    let keys = world.state.access.keys(actor, None, PageRequest::default()).await.unwrap().items;
    world.state.access.revoke_key(actor, keys[0].id, &Origin::default()).await.unwrap();
    let out = Ask { method: "DELETE", path: "/api/v1/sessions/current", key: Some(session), ..Ask::default() };
    world.send(out).await.expect(204);

    for minutes in [0, 1, 60, 60 * 24 * 8] {
        world.store.clock().advance_ms(minutes * 60_000);
        for credential in [&key, session] {
            world.get(credential, "/api/v1/me").await.problem(401, "unauthenticated");
        }
    }
}
