//! Many executions with one request.

use serde_json::{Value, json};
use turbocat_domain::port::{ExecutionFilter, PageRequest, Queries};

use crate::world::{Ask, HELLO, World};

const BULK: &str = "/api/v1/executions/bulk";

async fn count(world: &World) -> usize {
    let page = PageRequest { limit: 200, after: None };
    world.store.executions().list(&ExecutionFilter::default(), page).await.unwrap().items.len()
}

fn items(count: usize) -> Value {
    let item = |place: usize| json!({ "workflow": "hello", "input": { "name": place.to_string() } });
    json!({ "items": (0..count).map(item).collect::<Vec<_>>() })
}

#[tokio::test]
async fn all_are_started_in_their_order_or_none() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["*"]).await;

    let started = world.post(&key, BULK, items(3)).await.expect(202);
    for (place, item) in started["items"].as_array().unwrap().iter().enumerate() {
        let shown = world.get(&key, &format!("/api/v1/executions/{}", item["id"].as_str().unwrap())).await.expect(200);
        assert_eq!((&shown["input"]["name"], &shown["trigger_type"]), (&json!(place.to_string()), &json!("api")));
    }
    assert_eq!((started["items"].as_array().unwrap().len(), count(&world).await), (3, 3));

    let wrong = json!({ "items": [
        { "workflow": "hello" }, { "workflow": "nothing" }, { "workflow": "hello", "input": { "name": "too long" } },
        { "workflow": "nothing" },
    ] });
    let problem = world.post(&key, BULK, wrong).await.problem(422, "invalid");
    let places: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(places, ["/items/1/workflow", "/items/2/input/name", "/items/3/workflow"].map(|place| json!(place)));
    assert_eq!(count(&world).await, 3, "none was started");

    world.post(&key, BULK, items(0)).await.problem(422, "invalid");
    world.post(&key, BULK, items(1_001)).await.problem(422, "invalid");
    assert_eq!(world.post(&key, BULK, items(1_000)).await.expect(202)["items"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_request_that_is_sent_again_starts_nothing_more() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["*"]).await;
    let send = async |body: Value| {
        let headers = [("idempotency-key", "once")];
        let ask =
            Ask { method: "POST", path: BULK, key: Some(&key), headers: &headers, body: Some(body), ..Ask::default() };
        world.send(ask).await
    };
    let refused = json!({ "items": [{ "workflow": "nothing" }] });
    send(refused).await.problem(422, "invalid");

    let first = send(items(5)).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.expect(202);
    // A new version does not change what was started.
    world.publish(&world.owner, &HELLO.replace("maxLength: 5", "maxLength: 6")).await;
    let again = send(items(5)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((again.expect(202), count(&world).await), (first, 5));
    send(items(4)).await.problem(409, "idempotency_conflict");
}
