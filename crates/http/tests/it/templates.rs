//! Templates over HTTP.

use serde_json::{Value, json};

use crate::world::{Ask, World};

/// A template of a workflow with an agent.
fn digest() -> Value {
    json!({
        "name": "Digest", "category": "Reporting", "type": "workflow", "tags": ["web"], "is_public": true,
        "template_data": {
            "workflow": { "name": "digest", "steps": [{ "key": "a", "type": "agent", "agent": "reader" }] },
            "agents": [{ "kind": "agent", "name": "reader", "type": "data", "config": { "program": "." } }],
        },
    })
}

#[tokio::test]
async fn a_template_is_made_found_changed_and_taken_away() {
    let world = World::new().await;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];
    let made = world.post(&owner, "/api/v1/templates", digest()).await;
    let tag = made.header("etag").to_owned();
    let made = made.expect(201);
    let path = format!("/api/v1/templates/{}", made["id"].as_str().unwrap());
    assert_eq!((&made["user_id"], &made["usage_count"]), (&json!(world.owner.id.to_string()), &json!(0)));
    for (query, count) in [("", 1), ("?type=workflow&tag=web", 1), ("?category=Reporting", 1), ("?search=dig", 1)] {
        let listed = world.get(&other, &format!("/api/v1/templates{query}")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(listed["items"][0]["template_data"], Value::Null);
    }
    for query in ["?type=agent", "?tag=mail", "?official=true", "?search=nothing", "?category=reporting"] {
        assert_eq!(world.get(&other, &format!("/api/v1/templates{query}")).await.expect(200)["items"], json!([]));
    }

    let change = async |key: &str, tag: &str, body: Value| {
        let headers = [("if-match", tag)];
        let ask = Ask { method: "PATCH", path: &path, key: Some(key), body: Some(body), ..Ask::default() };
        world.send(Ask { headers: if tag.is_empty() { &[] } else { &headers }, ..ask }).await
    };
    world.store.clock().advance_ms(1);
    change(&other, "", json!({ "name": "Mine" })).await.problem(404, "not_found");
    let changed = change(&owner, &tag, json!({ "description": "Reads.", "is_public": false })).await.expect(200);
    assert_eq!((&changed["description"], &changed["name"]), (&json!("Reads."), &json!("Digest")));
    change(&owner, &tag, json!({ "name": "Late" })).await.problem(409, "conflict");
    assert_eq!(change(&owner, "", json!({ "description": "" })).await.expect(200)["description"], Value::Null);
    world.get(&other, &path).await.problem(404, "not_found");

    let ask = |method: &'static str, path: &'static str| (method, path);
    let send = async |key: &str, (method, rest): (&str, &str)| {
        world.send(Ask { method, path: &format!("{path}{rest}"), key: Some(key), ..Ask::default() }).await
    };
    send(&other, ask("DELETE", "")).await.problem(404, "not_found");
    let stale = [("if-match", tag.as_str())];
    let late = Ask { method: "DELETE", path: &path, key: Some(&owner), headers: &stale, ..Ask::default() };
    world.send(late).await.problem(409, "conflict");
    send(&owner, ask("DELETE", "")).await.expect(204);
    world.get(&owner, &path).await.problem(404, "not_found");
    let deleted = world.get(&owner, "/api/v1/templates?deleted=true").await.expect(200);
    assert_eq!(deleted["items"][0]["id"], made["id"]);
    send(&other, ask("POST", "/restore")).await.problem(404, "not_found");
    send(&owner, ask("POST", "/restore")).await.expect(200);
    send(&owner, ask("POST", "/restore")).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_told_at_once() {
    let world = World::new().await;
    let owner = world.key(&world.owner, &["*"]).await;
    let mut wrong = digest();
    wrong["name"] = json!(" ");
    wrong["category"] = json!("");
    wrong["tags"] = json!(["ok", "not a tag!"]);
    wrong["template_data"]["workflow"]["steps"][0]["agents"] = json!("reader");
    wrong["template_data"]["agents"][0]["type"] = json!("oracle");
    wrong["template_data"]["more"] = json!(1);
    let problem = world.post(&owner, "/api/v1/templates", wrong).await.problem(422, "invalid");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|one| one["pointer"].clone()).collect();
    for pointer in ["/name", "/category", "/tags/1", "/template_data/agents/0/type", "/template_data/more"] {
        assert!(pointers.contains(&json!(pointer)), "{pointer}: {pointers:?}");
    }
    assert!(pointers.iter().any(|one| one.as_str().unwrap().starts_with("/template_data/workflow/steps/0")));
    for owned in ["user_id", "is_official", "usage_count", "rating_average", "rating_count", "id", "created_at"] {
        let mut body = digest();
        body[owned] = json!(1);
        world.post(&owner, "/api/v1/templates", body).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn a_template_is_used_without_touching_what_one_has() {
    let world = World::new().await;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];
    let made = world.post(&owner, "/api/v1/templates", digest()).await.expect(201);
    let path = format!("/api/v1/templates/{}", made["id"].as_str().unwrap());
    let r#use = async |body: Value| world.post(&other, &format!("{path}/instantiate"), body).await;

    let copy = r#use(json!({})).await.expect(201);
    let names: Vec<_> = copy["published"]["published"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["reader", "digest"]);
    let changes = json!({ "description": "Mine", "settings": { "timeout_ms": 5_000 } });
    r#use(json!({ "changes": changes })).await.problem(409, "already_exists");
    r#use(json!({ "name": "mine", "changes": changes })).await.expect(201);
    r#use(json!({ "name": "mine too", "changes": { "steps": [] } })).await.problem(422, "invalid_documents");
    let own = world.get(&other, "/api/v1/workflows").await.expect(200);
    let own: Vec<_> = own["items"].as_array().unwrap().iter().map(|one| (&one["name"], &one["description"])).collect();
    assert_eq!(own, [(&json!("mine"), &json!("Mine")), (&json!("digest"), &Value::Null)]);
    assert_eq!(world.get(&other, &path).await.expect(200)["usage_count"], json!(2), "what failed is no use");

    let rate = async |key: &str, stars: u32| {
        let body = Some(json!({ "stars": stars }));
        let path = format!("{path}/rating");
        world.send(Ask { method: "PUT", path: &path, key: Some(key), body, ..Ask::default() }).await
    };
    rate(&owner, 5).await.problem(422, "invalid");
    rate(&other, 6).await.problem(422, "invalid");
    rate(&other, 0).await.problem(422, "invalid");
    rate(&other, 2).await.expect(200);
    let rated = rate(&other, 5).await.expect(200);
    assert_eq!((&rated["rating_average"], &rated["rating_count"]), (&json!(5.0), &json!(1)));
}
