//! Events, approvals and schedules over HTTP.

use serde_json::{Value, json};
use turbocat_domain::port::EventQueries;

use crate::{
    matrix::{Scene, ask_somebody},
    world::World,
};

/// A workflow that asks for two of three, with a form and buttons.
const ASKS_OTHERS: &str = "
name: asks-others
steps:
  - key: ask
    type: wait
    config:
      approval:
        approvers: [other@example.com, owner@example.com, third@example.com]
        min_approvals: 2
        buttons: [now, later]
        form: { type: object, required: [amount], properties: { amount: { type: integer } } }
";

#[tokio::test]
async fn who_is_asked_sees_it_and_decides_once() {
    let world = World::new().await;
    let third = world.account("third@example.com", turbocat_domain::user::UserRole::User).await;
    world.publish(&world.owner, ASKS_OTHERS).await;
    let id = world.start(&world.owner, "asks-others").await;
    world.park(id, "ask").await;
    let [owner, other, third] =
        [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await, world.key(&third, &["*"]).await];
    let admin = world.key(&world.admin, &["*"]).await;
    let list = async |key: &str| world.get(key, "/api/v1/approvals").await.expect(200)["items"].clone();
    let path = format!("/api/v1/approvals/{id}/decide");
    let decide = async |key: &str, body: Value| world.post(key, &path, body).await;

    assert_eq!(
        (list(&owner).await[0]["may_decide"].clone(), list(&other).await[0]["may_decide"].clone()),
        (json!(false), json!(true)),
        "the one who started it does not decide it"
    );
    assert_eq!(list(&admin).await, json!([]));
    let yes = json!({ "path": "ask", "approved": true, "button": "now", "data": { "amount": 3 } });
    decide(&owner, yes.clone()).await.problem(403, "forbidden");
    decide(&admin, yes.clone()).await.problem(404, "not_found");
    decide(&other, json!({ "path": "ask", "approved": true, "button": "never" })).await.problem(422, "invalid");
    let wrong = decide(&other, json!({ "path": "ask", "approved": true, "data": { "amount": "x" } })).await;
    wrong.problem(422, "invalid_input");
    decide(&other, json!({ "path": "ask", "approved": true, "by": "x" })).await.problem(422, "invalid");
    decide(&other, json!({ "path": "elsewhere", "approved": true })).await.problem(404, "not_found");
    assert_eq!(list(&other).await[0]["decisions"], json!([]));

    decide(&other, yes.clone()).await.expect(202);
    decide(&other, yes).await.problem(409, "already_exists");
    let decided = list(&third).await[0]["decisions"].clone();
    assert_eq!(
        decided,
        json!([
            { "approved": true, "by": "other@example.com", "button": "now", "data": { "amount": 3 } }
        ])
    );
    // A refusal needs no form.
    decide(&third, json!({ "path": "ask", "approved": false, "comment": "too much" })).await.expect(202);
    let told = world.store.received("approval", chrono::DateTime::UNIX_EPOCH, (id, "ask")).await.unwrap();
    assert_eq!((told.len(), &told[1].payload["by"]), (2, &json!("third@example.com")));
}

#[tokio::test]
async fn an_event_reaches_ones_own_executions_and_is_no_approval() {
    let world = World::new().await;
    let id = ask_somebody(&world).await;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];
    let send = async |key: &str, body: Value| world.post(key, "/api/v1/events", body).await;

    let taken = send(&owner, json!({ "name": "paid", "payload": { "order": 7 } })).await.expect(202);
    assert_eq!(taken["woken"], json!(0));
    let to_one = json!({ "name": "paid", "execution_id": id.to_string(), "path": "ask" });
    assert_eq!(send(&owner, to_one.clone()).await.expect(202)["woken"], json!(1));
    send(&other, to_one).await.problem(404, "not_found");
    send(&owner, json!({ "name": "approval", "payload": { "approved": true } })).await.problem(422, "invalid");
    send(&owner, json!({ "name": "" })).await.problem(422, "invalid");
    send(&owner, json!({ "name": "x", "path": "ask" })).await.problem(422, "invalid");
    send(&owner, json!({ "name": "x", "path": "ask", "execution_id": "?" })).await.problem(422, "invalid");
    let received = world.store.received("paid", chrono::DateTime::UNIX_EPOCH, (id, "ask")).await.unwrap();
    assert_eq!(
        received.iter().map(|event| event.payload.clone()).collect::<Vec<_>>(),
        [json!({ "order": 7 }), json!({})]
    );
}

#[tokio::test]
async fn schedules_are_shown_to_their_owner() {
    let scene = Scene::set().await;
    let world = &scene.world;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];

    let listed = world.get(&owner, "/api/v1/schedules").await.expect(200);
    let schedule = &listed["items"][0];
    assert_eq!((&schedule["workflow"], &schedule["cron"]), (&json!("timed"), &json!("@daily")));
    assert!(schedule["next_at"].is_string() && schedule["last_execution_id"].is_null(), "{schedule}");
    let ticks = format!("/api/v1/schedules/{}/ticks", schedule["workflow_id"].as_str().unwrap());
    assert_eq!(world.get(&owner, &ticks).await.expect(200), json!([]));
    assert_eq!(world.get(&other, "/api/v1/schedules").await.expect(200)["items"], json!([]));
    world.get(&other, &ticks).await.problem(404, "not_found");
    world.get(&owner, &format!("{ticks}?limit=0")).await.problem(400, "invalid_query");
}
