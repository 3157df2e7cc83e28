//! Deployments over HTTP.

use serde_json::{Value, json};

use crate::world::{Ask, HELLO, World};

const DEPLOYMENTS: &str = "/api/v1/deployments";

/// A deployment of `hello`, with its path and its `ETag`.
async fn deployed(world: &World, key: &str) -> (Value, String, String) {
    world.publish(&world.owner, HELLO).await;
    let body = json!({
        "name": "greeter", "environment": "staging", "workflow": "hello",
        "environment_vars": { "REGION": "eu" }, "config": { "input": { "name": "Ada" } },
    });
    let made = world.post(key, DEPLOYMENTS, body).await;
    let (place, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    (made.expect(201), place, tag)
}

async fn send(
    world: &World,
    key: &str,
    (method, path): (&str, &str),
    tag: &str,
    body: Option<Value>,
) -> crate::world::Answer {
    let headers = [("if-match", tag)];
    let headers: &[(&str, &str)] = if tag.is_empty() { &[] } else { &headers };
    world.store.clock().advance_ms(1);
    world.send(Ask { method, path, key: Some(key), headers, body, ..Ask::default() }).await
}

#[tokio::test]
async fn a_deployment_is_made_found_changed_and_taken_away() {
    let world = World::new().await;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];
    let (made, path, tag) = deployed(&world, &owner).await;
    assert_eq!(path, format!("{DEPLOYMENTS}/{}", made["id"].as_str().unwrap()));
    assert_eq!((&made["status"], &made["revision"], &made["agent_id"]), (&json!("stopped"), &json!(1), &Value::Null));
    assert_eq!(made["endpoint_url"], json!(path.replace("deployments", "endpoints")));
    assert_eq!((made.get("api_key_hash"), &made["has_key"]), (None, &json!(false)), "no hash is shown");
    let workflow = made["workflow_id"].as_str().unwrap();
    for query in ["?environment=staging", "?status=stopped", "?name=greeter", "?search=GREET", "?health=unknown"]
        .into_iter()
        .map(str::to_owned)
        .chain([String::new(), format!("?workflow_id={workflow}")])
    {
        let listed = world.get(&owner, &format!("{DEPLOYMENTS}{query}")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{query}");
        assert_eq!(listed["items"][0]["environment_vars"], Value::Null);
    }
    for query in ["?environment=production", "?status=running", "?name=greet", "?search=x"] {
        assert_eq!(world.get(&owner, &format!("{DEPLOYMENTS}{query}")).await.expect(200)["items"], json!([]));
    }
    assert_eq!(world.get(&other, DEPLOYMENTS).await.expect(200)["items"], json!([]));

    let change = json!({ "environment_vars": { "REGION": "us" } });
    let changed = send(&world, &owner, ("PATCH", &path), &tag, Some(change.clone())).await.expect(200);
    assert_eq!((&changed["revision"], &changed["environment_vars"]["REGION"]), (&json!(2), &json!("us")));
    send(&world, &owner, ("PATCH", &path), &tag, Some(change)).await.problem(409, "conflict");
    send(&world, &owner, ("PATCH", &path), "", Some(json!({ "status": "running" }))).await.problem(422, "invalid");
    let rollback = format!("{path}/rollback");
    send(&world, &owner, ("POST", &rollback), &tag, Some(json!({}))).await.problem(409, "conflict");
    let back = send(&world, &owner, ("POST", &rollback), "", Some(json!({ "revision": 1 }))).await.expect(200);
    assert_eq!((&back["revision"], &back["environment_vars"]["REGION"]), (&json!(3), &json!("eu")));
    let revisions = world.get(&owner, &format!("{path}/revisions?limit=2")).await.expect(200);
    assert_eq!((&revisions["items"][0]["number"], revisions["next"].is_string()), (&json!(3), true));

    send(&world, &owner, ("DELETE", &path), &tag, None).await.problem(409, "conflict");
    let seen = world.get(&owner, &path).await.header("etag").to_owned();
    send(&world, &owner, ("DELETE", &path), &seen, None).await.expect(204);
    world.get(&owner, &path).await.problem(404, "not_found");
    assert_eq!(
        world.get(&owner, &format!("{DEPLOYMENTS}?deleted=true")).await.expect(200)["items"][0]["id"],
        made["id"]
    );
    send(&world, &owner, ("POST", &format!("{path}/restore")), "", None).await.expect(200);
}

#[tokio::test]
async fn a_deployment_is_let_answer_asked_and_stopped() {
    let world = World::new().await;
    let owner = world.key(&world.owner, &["*"]).await;
    let (_, path, _) = deployed(&world, &owner).await;
    let executions = format!("{path}/executions");
    let post =
        async |end: &str, body: Option<Value>| send(&world, &owner, ("POST", &format!("{path}/{end}")), "", body).await;
    post("executions", Some(json!({}))).await.problem(409, "not_running");
    post("maintain", None).await.problem(409, "not_running");
    assert_eq!(post("activate", None).await.expect(200)["status"], json!("running"));
    let health = world.get(&owner, &format!("{path}/health")).await.expect(200);
    assert_eq!((&health["status"], &health["problems"]), (&json!("healthy"), &json!([])));

    let ask = Ask { method: "POST", path: &executions, key: Some(&owner), body: Some(json!({})), ..Ask::default() };
    let headers = [("idempotency-key", "once")];
    let first = world.send(Ask { headers: &headers, body: ask.body.clone(), ..ask }).await;
    let place = first.header("location").to_owned();
    let started = first.expect(202);
    let again = Ask { method: "POST", path: &executions, key: Some(&owner), body: Some(json!({})), ..Ask::default() };
    let again = world.send(Ask { headers: &headers, ..again }).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202)["id"], started["id"]);
    let execution = world.get(&owner, &place).await.expect(200);
    assert_eq!(
        (&execution["input"]["name"], &execution["trigger_data"]["env"]["REGION"]),
        (&json!("Ada"), &json!("eu"))
    );
    post("executions", Some(json!({ "input": { "name": "too long" } }))).await.problem(422, "invalid_input");
    let id = path.rsplit('/').next().unwrap();
    let listed = world.get(&owner, &format!("/api/v1/executions?deployment_id={id}")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    assert_eq!(post("stop", None).await.expect(200)["status"], json!("stopping"));
    post("executions", Some(json!({}))).await.problem(409, "not_running");
}

#[tokio::test]
async fn who_has_the_key_of_a_deployment_asks_it_and_can_do_nothing_else() {
    let world = World::new().await;
    let owner = world.key(&world.owner, &["*"]).await;
    let (made, path, _) = deployed(&world, &owner).await;
    let endpoint = made["endpoint_url"].as_str().unwrap();
    let key_path = format!("{path}/key");
    send(&world, &owner, ("POST", &format!("{path}/activate")), "", None).await.expect(200);
    world.post("tc_deploy_x", endpoint, json!({})).await.problem(401, "unauthenticated");
    let issued = send(&world, &owner, ("POST", &key_path), "", None).await.expect(201);
    let key = issued["key"].as_str().unwrap();
    assert!(key.starts_with("tc_deploy_") && issued["endpoint_url"] == made["endpoint_url"], "{issued}");
    let shown = world.get(&owner, &path).await;
    assert!(!shown.text.contains(key) && shown.json()["has_key"] == json!(true), "{}", shown.text);

    let started = world.post(key, endpoint, json!({ "input": { "name": "Eve" } })).await.expect(202);
    let started = format!("/api/v1/executions/{}", started["id"].as_str().unwrap());
    let execution = world.get(&owner, &started).await.expect(200);
    assert_eq!((&execution["input"]["name"], &execution["user_id"]), (&json!("Eve"), &made["user_id"]));
    assert_eq!(execution["trigger_data"]["source"], json!("endpoint"));
    for (method, path) in
        [("GET", started.as_str()), ("GET", &path), ("POST", "/api/v1/executions"), ("POST", &key_path)]
    {
        let body = (method == "POST").then(|| json!({ "workflow": "hello" }));
        let asked = world.send(Ask { method, path, key: Some(key), body, ..Ask::default() }).await;
        asked.problem(401, "unauthenticated");
    }
    let other = json!({ "name": "other", "workflow": "hello" });
    let other = world.post(&owner, DEPLOYMENTS, other).await.expect(201);
    let elsewhere = other["endpoint_url"].as_str().unwrap();
    world.post(key, elsewhere, json!({})).await.problem(401, "unauthenticated");
    world.post(&owner, endpoint, json!({})).await.problem(401, "unauthenticated");

    let second = send(&world, &owner, ("POST", &key_path), "", None).await.expect(201);
    world.post(key, endpoint, json!({})).await.problem(401, "unauthenticated");
    let key = second["key"].as_str().unwrap();
    world.post(key, endpoint, json!({})).await.expect(202);
    send(&world, &owner, ("DELETE", &key_path), "", None).await.expect(204);
    world.post(key, endpoint, json!({})).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_is_to_be_run_is_named_once() {
    let world = World::new().await;
    let owner = world.key(&world.owner, &["*"]).await;
    world.publish(&world.owner, HELLO).await;
    let wrong = [
        json!({ "name": "a" }),
        json!({ "name": "a", "workflow": "hello", "agent": "greeter" }),
        json!({ "name": "a", "workflow_id": "x" }),
        json!({ "name": "a", "agent_id": "x" }),
        json!({ "name": "a", "workflow": "hello", "environment": "moon" }),
        json!({ "name": "a", "workflow": "hello", "allocated_memory_mb": 1 }),
        json!({ "name": "a", "workflow": "hello", "total_requests": 1 }),
    ];
    for body in wrong {
        world.post(&owner, DEPLOYMENTS, body).await.problem(422, "invalid");
    }
    world.post(&owner, DEPLOYMENTS, json!({ "name": "a", "workflow": "none" })).await.problem(404, "not_found");
    let made = world.post(&owner, DEPLOYMENTS, json!({ "name": "a", "agent": "greeter" })).await.expect(201);
    assert_eq!((&made["workflow_id"], made["agent_id"].is_string()), (&Value::Null, true));
    world.post(&owner, DEPLOYMENTS, json!({ "name": "a", "workflow": "hello" })).await.problem(409, "already_exists");
}
