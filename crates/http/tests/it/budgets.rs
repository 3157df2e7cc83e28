//! `/budgets` and `/usage`.

use serde_json::{Value, json};
use turbocat_domain::{
    port::{ClaimRequest, ExecutionQueue, PartJournal, PartKind, StepPart, StepPlace, WorkerRepository},
    usage::{Charge, Tokens},
};
use turbocat_testkit::builder::a_worker;

use crate::world::{Ask, HELLO, World};

fn of_agent(amount: Value) -> Value {
    json!({ "scope": "agent", "subject": "hello", "unit": "usd", "period": "month", "amount": amount })
}

async fn put(world: &World, key: &str, body: Value) -> crate::world::Answer {
    let ask = Ask { method: "PUT", path: "/api/v1/budgets", key: Some(key), body: Some(body), ..Ask::default() };
    world.send(ask).await
}

#[tokio::test]
async fn a_budget_is_set_and_raised_and_deleted_and_shows_what_is_left() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;

    let set = put(&world, &key, of_agent(json!(1.25))).await.expect(200);
    let path = format!("/api/v1/budgets/{}", set["id"].as_str().unwrap());
    let again = put(&world, &key, of_agent(json!(2.5))).await.expect(200);
    assert_eq!((&again["id"], &again["amount"], &again["left"]), (&set["id"], &json!(2.5), &json!(2.5)));
    assert_eq!(world.get(&key, &path).await.expect(200)["subject"], "hello");
    let listed = world.get(&key, "/api/v1/budgets").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    let delete = Ask { method: "DELETE", path: &path, key: Some(&key), ..Ask::default() };
    assert_eq!(world.send(delete).await.status.as_u16(), 204);
    assert_eq!(world.get(&key, &path).await.status.as_u16(), 404);
}

#[tokio::test]
async fn what_holds_a_user_back_is_set_by_administrators_alone() {
    let world = World::new().await;
    let (own, admin) = (world.key(&world.owner, &["*"]).await, world.key(&world.admin, &["*"]).await);
    let body = |user: bool| {
        let user = user.then(|| world.owner.id.to_string());
        json!({ "scope": "user", "unit": "tokens", "period": "day", "amount": 100, "user_id": user })
    };

    assert_eq!(put(&world, &own, body(false)).await.status.as_u16(), 403);
    let set = put(&world, &admin, body(true)).await.expect(200);
    assert_eq!(set["user_id"], world.owner.id.to_string());
    let path = format!("/api/v1/budgets/{}", set["id"].as_str().unwrap());
    assert_eq!(world.get(&own, &path).await.expect(200)["amount"], json!(100.0), "the user sees it");
    let delete = Ask { method: "DELETE", path: &path, key: Some(&own), ..Ask::default() };
    assert_eq!(world.send(delete).await.status.as_u16(), 403);
}

#[tokio::test]
async fn what_is_wrong_with_a_budget_is_told_with_its_place() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let mut cases = vec![
        (of_agent(json!(-1)), "/amount"),
        (json!({ "scope": "agent", "unit": "usd", "period": "day", "amount": 1 }), "/subject"),
        (json!({ "scope": "planet", "subject": "x", "unit": "usd", "period": "day", "amount": 1 }), "/scope"),
        (json!({ "scope": "user", "subject": "x", "unit": "usd", "period": "day", "amount": 1 }), "/subject"),
        (json!({ "scope": "agent", "subject": "x", "unit": "tokens", "period": "day", "amount": 1.5 }), "/amount"),
    ];
    world.publish(&world.owner, HELLO).await;
    let execution = world.start(&world.owner, "hello").await;
    let of_execution = |period: &str| json!({ "scope": "execution", "subject": execution, "unit": "usd", "period": period, "amount": 1 });
    for (body, pointer) in cases.drain(..) {
        let problem = put(&world, &key, body.clone()).await.expect(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body} {problem}");
    }
    assert!(put(&world, &key, of_execution("day")).await.expect(422).to_string().contains("total"));
    put(&world, &key, of_execution("total")).await.expect(200);
    let others = world.key(&world.other, &["*"]).await;
    assert_eq!(put(&world, &others, of_execution("total")).await.status.as_u16(), 404);
}

#[tokio::test]
async fn usage_is_summed_for_who_asks_and_by_execution() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let execution = world.start(&world.owner, "hello").await;
    let worker = a_worker(world.state.ids.as_ref());
    world.store.register(&worker).await.unwrap();
    let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap();
    assert_eq!(claimed[0].id, execution);
    let charge = Charge {
        agent_id: turbocat_domain::id::AgentId::from_uuid(world.state.ids.next()),
        agent_name: "hello".parse().unwrap(),
        provider: "openai".to_owned(),
        model: "m".to_owned(),
        tokens: Tokens { input: 100, output: 10, cached_input: 40 },
        nano_usd: Some(1_500_000),
        price_version: Some("v".to_owned()),
    };
    let part = StepPart { key: "turn.1".to_owned(), kind: PartKind::Turn, data: json!({}) };
    let step = StepPlace { execution_id: execution, path: "greet".to_owned() };
    world.store.record_part(worker.id, &step, (&part, Some(&charge))).await.unwrap();

    let (own, other) = (world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await);
    let sums = world.get(&own, "/api/v1/usage?group=model").await.expect(200);
    let expected = json!({
        "key": "openai/m", "calls": 1, "input_tokens": 100, "output_tokens": 10, "cached_input_tokens": 40,
        "cost_usd": 0.0015, "unpriced_calls": 0,
    });
    assert_eq!(sums["items"], json!([expected]));
    assert_eq!(world.get(&other, "/api/v1/usage").await.expect(200)["items"], json!([]));
    let theirs = format!("/api/v1/usage?user_id={}", world.owner.id);
    assert_eq!(world.get(&other, &theirs).await.status.as_u16(), 404);
    let of_execution = format!("/api/v1/executions/{execution}/usage");
    let used = world.get(&own, &of_execution).await.expect(200);
    assert_eq!((&used["total"]["calls"], &used["steps"][0]["key"]), (&json!(1), &json!("greet")));
    assert_eq!(world.get(&other, &of_execution).await.status.as_u16(), 404);
    for query in ["from=2026-02-30", "to=yesterday", "from=2026-01-02&to=2026-01-01", "group=planet", "agent="] {
        let answer = world.get(&own, &format!("/api/v1/usage?{query}")).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{query}: {} {}", answer.status, answer.text);
    }
}
