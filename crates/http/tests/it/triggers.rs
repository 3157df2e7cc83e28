//! Workflows that events and webhooks start.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use turbocat_application::{NewSecret, Origin};
use turbocat_domain::{
    execution::{Execution, TriggerType},
    port::{ExecutionFilter, ExecutionQueries, PageRequest},
    user::User,
};

use crate::world::{Answer, Ask, World};

const ON_PAID: &str = "
name: on-paid
input: { type: object, required: [order], properties: { order: { type: integer } } }
triggers: { event: { name: order.paid, filter: 'event.total > 3' } }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
---
name: on-paid-too
triggers: { event: { name: order.paid } }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
---
name: on-others
triggers: { event: { name: order.shipped } }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
";

pub(crate) const HOOKED: &str = "
name: hooked
input: { type: object, required: [test], properties: { test: { type: integer } } }
triggers: { webhook: { auth: standard_webhooks, secret: PAY_KEYS } }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
---
name: plain
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
";

pub(crate) const KEY: [u8; 24] = [7; 24];

pub(crate) async fn executions(world: &World) -> Vec<Execution> {
    let page = PageRequest { limit: 200, after: None };
    world.store.list(&ExecutionFilter::default(), page).await.unwrap().items
}

#[tokio::test]
async fn an_event_starts_what_it_triggers_once() {
    let world = World::new().await;
    world.publish(&world.owner, ON_PAID).await;
    world.publish(&world.other, ON_PAID).await;
    let owner = world.key(&world.owner, &["events:send"]).await;
    let event = json!({ "name": "order.paid", "payload": { "order": 7, "total": 4 } });
    let keyed = |key: &'static str, body: Value| {
        let headers: &[(&str, &str)] = Box::leak(Box::new([("idempotency-key", key)]));
        Ask { method: "POST", key: Some(&owner), path: "/api/v1/events", body: Some(body), headers, ..Ask::default() }
    };

    let sent = world.send(keyed("one", event.clone())).await.expect(202);
    assert_eq!((sent["started"].as_array().unwrap().len(), &sent["refused"]), (2, &json!([])));
    assert_eq!(world.send(keyed("one", event.clone())).await.expect(202), sent, "the same answer");
    world.send(keyed("one", json!({ "name": "order.paid" }))).await.problem(409, "idempotency_conflict");
    let all = executions(&world).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.user_id == world.owner.id && one.trigger_type == TriggerType::Event), "{all:?}");
    assert!(all.iter().all(|one| one.trigger_data == json!({ "event": "order.paid", "event_id": sent["id"] })));
    let first = ExecutionQueries::get(&world.store, all[0].id).await.unwrap();
    assert_eq!(first.input_data, event["payload"]);
}

#[tokio::test]
async fn what_an_event_starts_goes_on_with_the_trace_of_its_request() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let world = World::new().await;
    world.publish(&world.owner, ON_PAID).await;
    let owner = world.key(&world.owner, &["events:send"]).await;
    let body = Some(json!({ "name": "order.shipped" }));
    let headers = [("traceparent", TRACE)];

    let ask =
        Ask { method: "POST", key: Some(&owner), path: "/api/v1/events", body, headers: &headers, ..Ask::default() };
    let sent = world.send(ask).await.expect(202);

    let all = executions(&world).await;
    assert_eq!((all.len(), sent["started"].as_array().unwrap().len()), (1, 1), "{sent}");
    assert_eq!(all[0].trigger_data["traceparent"], json!(TRACE));
}

#[tokio::test]
async fn what_an_event_cannot_start_is_told_and_keeps_nothing_back() {
    let world = World::new().await;
    world.publish(&world.owner, ON_PAID).await;
    let owner = world.key(&world.owner, &["*"]).await;
    let pay = async |payload: Value| {
        world.post(&owner, "/api/v1/events", json!({ "name": "order.paid", "payload": payload })).await.expect(202)
    };
    let small = pay(json!({ "order": 7, "total": 3 })).await;
    assert_eq!((small["started"].as_array().unwrap().len(), &small["refused"]), (1, &json!([])), "a filter");
    for (payload, reason) in
        [(json!({ "order": "x", "total": 4 }), "/order"), (json!({ "order": 7 }), "triggers.event.filter")]
    {
        let sent = pay(payload).await;
        assert_eq!(sent["started"].as_array().unwrap().len(), 1);
        assert_eq!(sent["refused"][0]["workflow"], json!("on-paid"));
        assert!(sent["refused"][0]["reason"].as_str().unwrap().contains(reason), "{sent}");
    }
}

/// A message, signed with these keys.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) id: &'a str,
    pub(crate) at: i64,
    pub(crate) body: &'a str,
    pub(crate) keys: &'a [&'a [u8]],
}

impl Message<'_> {
    pub(crate) async fn send(&self, world: &World, workflow: &str) -> Answer {
        self.send_with(world, workflow, &self.headers()).await
    }

    /// The headers of the message, signed.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let signature = |key: &&[u8]| {
            let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            let mac = mac.chain_update(format!("{}.{}.{}", self.id, self.at, self.body)).finalize().into_bytes();
            format!("v1,{}", BASE64.encode(&mac))
        };
        let signatures: Vec<String> = self.keys.iter().map(signature).collect();
        vec![
            ("webhook-id", self.id.to_owned()),
            ("webhook-timestamp", self.at.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ]
    }

    /// Sends it with these headers.
    pub(crate) async fn send_with(&self, world: &World, workflow: &str, headers: &[(&'static str, String)]) -> Answer {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/api/v1/hooks/{workflow}");
        world.send(Ask { method: "POST", path: &path, headers: &headers, text: self.body, ..Ask::default() }).await
    }
}

pub(crate) async fn set_keys(world: &World, owner: &User, keys: &[&[u8]]) {
    let keys: Vec<String> = keys.iter().map(|key| format!("whsec_{}", BASE64.encode(key))).collect();
    let secret = NewSecret { name: "PAY_KEYS".to_owned(), value: keys.join(" "), hosts: Vec::new(), owner: None };
    world.state.access.set_secret(owner.into(), secret, &Origin::default()).await.unwrap();
}

/// The ids of the published workflows, by name.
pub(crate) async fn published(world: &World, text: &str) -> [String; 2] {
    let report = world.publish(&world.owner, text).await;
    let id = |name: &str| {
        let all = report["published"].as_array().unwrap();
        let found = all.iter().find(|item| item["name"] == name).expect("it is there");
        found["id"].as_str().unwrap().to_owned()
    };
    [id("hooked"), id("plain")]
}

#[tokio::test]
async fn a_signed_webhook_starts_its_workflow_once() {
    let world = World::new().await;
    let [hooked, plain] = published(&world, HOOKED).await;
    let at = world.now().timestamp();
    let message = Message { id: "msg_1", at, body: r#"{"test": 1}"#, keys: &[&KEY] };
    message.send(&world, &hooked).await.problem(401, "unauthenticated");
    set_keys(&world, &world.owner, &[&[8; 24], &KEY]).await;

    let started = message.send(&world, &hooked).await.expect(202);
    let again = Message { at: at + 60, ..message }.send(&world, &hooked).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(202)["id"], started["id"], "a message that is sent again starts nothing");
    let all = executions(&world).await;
    assert_eq!((all.len(), all[0].trigger_type, all[0].user_id), (1, TriggerType::Webhook, world.owner.id));
    assert_eq!(all[0].trigger_data["webhook_id"], json!("msg_1"));
    Message { body: r#"{"test": 2}"#, ..message }.send(&world, &hooked).await.problem(409, "idempotency_conflict");
    Message { id: "msg_2", body: "{}", ..message }.send(&world, &hooked).await.problem(422, "invalid_input");
    Message { id: "msg_3", body: "{", ..message }.send(&world, &hooked).await.problem(422, "invalid");
    message.send(&world, &plain).await.problem(404, "not_found");
    message.send(&world, "wfl_x").await.problem(404, "not_found");
    assert_eq!(executions(&world).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_signed_now_with_a_key_of_the_owner_starts_nothing() {
    let world = World::new().await;
    let [hooked, _] = published(&world, HOOKED).await;
    set_keys(&world, &world.owner, &[&KEY]).await;
    set_keys(&world, &world.other, &[&[9; 24]]).await;
    let at = world.now().timestamp();
    let message = Message { id: "msg_1", at, body: r#"{"test": 1}"#, keys: &[&KEY] };
    let others: [Message<'_>; 6] = [
        Message { keys: &[], ..message },
        Message { keys: &[&[9; 24]], ..message },
        Message { keys: &[&[]], ..message },
        Message { at: at - 301, ..message },
        Message { at: at + 301, ..message },
        Message { id: "", ..message },
    ];
    for other in others {
        other.send(&world, &hooked).await.problem(401, "unauthenticated");
    }
    assert!(executions(&world).await.is_empty());
    Message { keys: &[&[1; 24], &KEY], ..message }.send(&world, &hooked).await.expect(202);
}

#[tokio::test]
async fn the_address_of_a_version_starts_the_active_one() {
    let world = World::new().await;
    let [hooked, _] = published(&world, HOOKED).await;
    set_keys(&world, &world.owner, &[&KEY]).await;
    let [newer, _] = published(&world, &HOOKED.replace("test: { type", "other: { type")).await;
    assert_ne!(hooked, newer);
    let at = world.now().timestamp();
    let message = Message { id: "msg_1", at, body: r#"{"test": 1}"#, keys: &[&KEY] };
    assert_eq!(message.send(&world, &hooked).await.expect(202)["workflow_id"], json!(newer));
}
