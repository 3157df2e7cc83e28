//! Workflows, agents, executions, keys and users: what a client does with them from beginning to end.

use serde_json::{Value, json};
use turbocat_domain::{
    port::{
        AuditLogFilter, ClaimRequest, ExecutionQueue, Journal, JournalBatch, PageRequest, PartJournal, PartKind,
        Queries, StepPart, StepPlace, WorkerRepository,
    },
    user::UserRole,
};
use turbocat_testkit::builder::{a_completion, a_worker};

use crate::world::{Ask, HELLO, World};

const YAML: &str = "application/yaml";

async fn publish(world: &World, key: &str, text: &str, headers: &[(&str, &str)]) -> crate::world::Answer {
    let mut all = vec![("content-type", YAML)];
    all.extend_from_slice(headers);
    let ask = Ask { method: "POST", path: "/api/v1/workflows", key: Some(key), headers: &all, text, ..Ask::default() };
    world.send(ask).await
}

#[tokio::test]
async fn a_workflow_is_published_looked_at_deleted_and_restored() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;

    let report = publish(&world, &key, HELLO, &[]).await.expect(201);
    assert_eq!(report["published"][1]["change"], "created");
    let id = report["published"][1]["id"].as_str().unwrap();
    assert!(id.starts_with("wfl_"), "{id}");
    let path = format!("/api/v1/workflows/{id}");
    let shown = world.get(&key, &path).await.expect(200);
    assert_eq!((&shown["name"], &shown["version"], &shown["status"]), (&json!("hello"), &json!(1), &json!("active")));
    assert_eq!(shown["definition"]["steps"][0]["key"], "greet");
    let steps = world.get(&key, &format!("{path}/steps")).await.expect(200);
    assert_eq!((&steps[0]["step_key"], &steps[0]["step_type"]), (&json!("greet"), &json!("agent")));

    world.store.clock().advance_ms(1);
    publish(&world, &key, &HELLO.replace("greet,", "welcome,"), &[]).await.expect(201);
    let versions = world.get(&key, &format!("{path}/versions?limit=1")).await.expect(200);
    assert_eq!((&versions["items"][0]["version"], &versions["items"][0]["definition"]), (&json!(2), &Value::Null));
    let next = versions["next"].as_str().unwrap();
    let rest = world.get(&key, &format!("{path}/versions?limit=1&after={next}")).await.expect(200);
    assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&json!(id), &Value::Null));

    world.send(Ask { method: "DELETE", path: &path, key: Some(&key), ..Ask::default() }).await.expect(204);
    world.get(&key, &path).await.problem(404, "not_found");
    let listed = world.get(&key, "/api/v1/workflows?status=inactive").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let deleted = world.get(&key, "/api/v1/workflows?status=inactive&deleted=true").await.expect(200);
    assert_eq!(deleted["items"][0]["id"], id);
    let restore = format!("{path}/restore");
    world.post(&key, &restore, json!({})).await.expect(200);
    world.post(&key, &restore, json!({})).await.problem(404, "not_found");
    assert_eq!(world.get(&key, &path).await.expect(200)["deleted_at"], Value::Null);
}

#[tokio::test]
async fn an_agent_is_found_by_what_it_is() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["agents:*"]).await;

    let listed = world.get(&key, "/api/v1/agents?type=data&name=greeter").await.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert_eq!(listed["items"][0]["config"], Value::Null);
    assert_eq!(world.get(&key, "/api/v1/agents?type=llm").await.expect(200)["items"], json!([]));
    let path = format!("/api/v1/agents/{id}");
    assert_eq!(world.get(&key, &path).await.expect(200)["config"]["program"], ".");
    world.send(Ask { method: "DELETE", path: &path, key: Some(&key), ..Ask::default() }).await.expect(204);
    world.get(&key, &path).await.problem(404, "not_found");
    world.post(&key, &format!("{path}/restore"), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_published_document_of_json_is_the_same() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let agent = json!({ "kind": "agent", "name": "greeter", "type": "data", "config": {} });
    let report = world.post(&key, "/api/v1/agents", agent).await.expect(201);
    assert!(report["published"][0]["id"].as_str().unwrap().starts_with("agt_"), "{report}");
}

#[tokio::test]
async fn an_execution_is_started_listed_shown_and_cancelled() {
    let world = World::new().await;
    let workflow = world.publish(&world.owner, HELLO).await["published"][1]["id"].clone();
    let key = world.key(&world.owner, &["executions:*"]).await;

    let answer =
        world.post(&key, "/api/v1/executions", json!({ "workflow": "hello", "input": { "name": "Ada" } })).await;
    let place = answer.header("location").to_owned();
    let started = answer.expect(202);
    assert_eq!(
        (&started["workflow_id"], place),
        (&workflow, format!("/api/v1/executions/{}", started["id"].as_str().unwrap()))
    );
    let id = started["id"].as_str().unwrap();
    let path = format!("/api/v1/executions/{id}");
    let shown = world.get(&key, &path).await.expect(200);
    assert_eq!((&shown["status"], &shown["input"]["name"]), (&json!("pending"), &json!("Ada")));
    assert!(shown["trigger_data"]["api_key_id"].as_str().unwrap().starts_with("key_"), "{shown}");

    let by_version = json!({ "workflow_id": workflow });
    world.store.clock().advance_ms(1);
    world.post(&key, "/api/v1/executions", by_version).await.expect(202);
    for body in [json!({}), json!({ "workflow": "hello", "workflow_id": workflow })] {
        world.post(&key, "/api/v1/executions", body).await.problem(422, "invalid");
    }
    world.post(&key, "/api/v1/executions", json!({ "workflow": "none" })).await.problem(404, "not_found");

    let first = world.get(&key, "/api/v1/executions?limit=1").await.expect(200);
    assert_eq!((first["items"][0]["id"] == id, &first["items"][0]["input"]), (false, &Value::Null));
    let rest = format!("/api/v1/executions?limit=1&after={}", first["next"].as_str().unwrap());
    assert_eq!(world.get(&key, &rest).await.expect(200)["items"][0]["id"], id);
    let pending = world.get(&key, "/api/v1/executions?status=pending").await.expect(200);
    assert_eq!(pending["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.get(&key, "/api/v1/executions?status=failed").await.expect(200)["items"], json!([]));

    let cancelled = world.post(&key, &format!("{path}/cancel"), json!({})).await.expect(202);
    assert_eq!(cancelled["outcome"], "requested");
    assert_eq!(world.get(&key, &path).await.expect(200)["cancel_requested"], true);
    assert_eq!(world.get(&key, &format!("{path}/steps")).await.expect(200), json!([]));
    assert_eq!(world.get(&key, &format!("{path}/logs")).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn an_execution_is_paused_with_a_reason_and_resumed() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["executions:*"]).await;
    let started = world.post(&key, "/api/v1/executions", json!({ "workflow": "hello" })).await.expect(202);
    let path = format!("/api/v1/executions/{}", started["id"].as_str().unwrap());
    let (pause, resume) = (format!("{path}/pause"), format!("{path}/resume"));
    let standing = async || {
        let shown = world.get(&key, &path).await.expect(200);
        (shown["paused_at"].is_string(), shown["pause_reason"].clone())
    };
    assert_eq!(standing().await, (false, Value::Null));

    let paused = world.post(&key, &pause, json!({ "reason": "the bank is closed" })).await.expect(202);
    assert_eq!(paused["outcome"], "requested");
    assert_eq!(standing().await, (true, json!("the bank is closed")));
    world.post(&key, &pause, json!({ "reason": "another" })).await.expect(202);
    assert_eq!(standing().await, (true, json!("the bank is closed")), "the first one stands");
    world.post(&key, &resume, json!(null)).await.expect(202);
    assert_eq!(standing().await, (false, Value::Null));
    for body in [json!({}), json!(null)] {
        world.post(&key, &pause, body).await.expect(202);
        assert_eq!(standing().await, (true, Value::Null));
        world.post(&key, &resume, json!({})).await.expect(202);
    }

    for reason in [json!(""), json!("x".repeat(501)), json!(7)] {
        world.post(&key, &pause, json!({ "reason": reason })).await.problem(422, "invalid");
    }
    let wrong = world.key(&world.owner, &["executions:cancel"]).await;
    for place in [&pause, &resume] {
        world.post(&wrong, place, json!({})).await.problem(403, "forbidden");
    }
    let audited = world.store.audit_logs().list(&AuditLogFilter::default(), PageRequest::default()).await.unwrap();
    let told = audited.items.iter().find(|entry| entry.changes["pause_reason"].is_object());
    assert_eq!(told.unwrap().changes["pause_reason"], json!({ "before": null, "after": "the bank is closed" }));
}

#[tokio::test]
async fn the_turns_and_calls_of_its_steps_are_listed() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["executions:*"]).await;
    world.post(&key, "/api/v1/executions", json!({ "workflow": "hello" })).await.expect(202);
    let worker = a_worker(world.state.ids.as_ref());
    world.store.register(&worker).await.unwrap();
    let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap();
    let step = StepPlace { execution_id: claimed[0].id, path: "greet".to_owned() };
    let usage = json!({ "input_tokens": 5, "output_tokens": 2 });
    let turn = json!({ "provider": "openai", "model": "m", "text": "long", "usage": usage, "duration_ms": 9 });
    let call = json!({ "tool": "files.read", "error": { "code": "timeout", "message": "slow" } });
    for (name, kind, data) in [("turn.1", PartKind::Turn, turn), ("call.1.1", PartKind::Call, call)] {
        let part = StepPart { key: name.to_owned(), kind, data };
        world.store.record_part(worker.id, &step, (&part, None)).await.unwrap();
    }

    let path = format!("/api/v1/executions/{}/parts", claimed[0].id);
    let first = world.get(&key, &format!("{path}?limit=1")).await.expect(200);
    let part = &first["items"][0];
    assert_eq!((&part["path"], &part["key"], &part["kind"]), (&json!("greet"), &json!("turn.1"), &json!("turn")));
    assert_eq!((&part["model"], &part["input_tokens"], &part["duration_ms"]), (&json!("m"), &json!(5), &json!(9)));
    assert_eq!((&part["state"], part.get("text")), (&json!("done"), None));
    let rest = format!("{path}?after={}", first["next"].as_str().unwrap());
    let rest = world.get(&key, &rest).await.expect(200);
    let part = &rest["items"][0];
    assert_eq!((&part["tool"], &part["state"]), (&json!("files.read"), &json!("failed")));
    assert_eq!((&part["error_code"], &rest["next"]), (&json!("timeout"), &Value::Null));
    let others = world.key(&world.other, &["executions:*"]).await;
    world.get(&others, &path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_start_that_waits_has_the_output() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let key = world.key(&world.owner, &["executions:*"]).await;
    let worker = a_worker(world.state.ids.as_ref());
    world.store.register(&worker).await.unwrap();
    let work = async {
        loop {
            let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap();
            if let Some(claimed) = claimed.first() {
                let batch = JournalBatch { finished: vec![a_completion(claimed)], ..JournalBatch::default() };
                world.store.commit(worker.id, &batch).await.unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let body = json!({ "workflow": "hello" });

    let (answer, ()) = tokio::join!(world.post(&key, "/api/v1/executions?wait=60", body.clone()), work);
    let ended = answer.expect(200);
    assert_eq!((&ended["status"], &ended["output"]["done"]), (&json!("completed"), &json!(true)));

    world.post(&key, "/api/v1/executions?wait=0", body.clone()).await.expect(202);
    world.post(&key, "/api/v1/executions?wait=61", body.clone()).await.problem(400, "invalid_query");
    let only_starts = world.key(&world.owner, &["executions:start"]).await;
    world.post(&only_starts, "/api/v1/executions?wait=60", body).await.expect(202);
}

#[tokio::test]
async fn a_repeated_request_is_done_once() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let keyed = [("idempotency-key", "publish-1")];
    let first = publish(&world, &key, HELLO, &keyed).await.expect(201);
    assert_eq!(publish(&world, &key, HELLO, &keyed).await.expect(201), first);
    publish(&world, &key, "name: other\nsteps: []\n", &keyed).await.problem(409, "idempotency_conflict");

    let start = async |key: &str, body: Value, headers: &[(&str, &str)]| {
        let path = "/api/v1/executions";
        world.send(Ask { method: "POST", path, key: Some(key), body: Some(body), headers, ..Ask::default() }).await
    };
    let (body, keyed) = (json!({ "workflow": "hello" }), [("idempotency-key", "order-7")]);
    let first = start(&key, body.clone(), &keyed).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = start(&key, body.clone(), &keyed).await;
    assert_eq!((again.header("idempotency-replayed"), again.text.clone()), ("true", first.text.clone()));
    // Another key of the same user is the same client; another user is not.
    let second_key = world.key(&world.owner, &["*"]).await;
    assert_eq!(start(&second_key, body.clone(), &keyed).await.text, first.text);
    let stranger = world.key(&world.other, &["*"]).await;
    start(&stranger, body.clone(), &keyed).await.problem(404, "not_found");
    let other_body = json!({ "workflow": "hello", "input": {} });
    start(&key, other_body, &keyed).await.problem(409, "idempotency_conflict");
    start(&key, body.clone(), &[("idempotency-key", "a b")]).await.problem(400, "invalid_header");
    start(&key, body, &[("idempotency-key", "a"), ("idempotency-key", "b")]).await.problem(400, "invalid_header");
    assert_eq!(world.get(&key, "/api/v1/executions").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_is_shown_once_and_its_use_is_seen() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    let body = json!({ "name": "ci", "scopes": ["workflows:read"], "rate_limit_per_minute": 60 });
    let made = world.post(&key, "/api/v1/api-keys", body).await.expect(201);
    let (secret, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());

    assert!(secret.starts_with("tc_live_") && secret.starts_with(made["key_prefix"].as_str().unwrap()), "{made}");
    let listed = world.get(&key, "/api/v1/api-keys").await;
    assert!(!listed.text.contains(secret) && !listed.text.contains("hash"), "{}", listed.text);
    let answer = world.get(secret, "/api/v1/workflows").await;
    assert_eq!((answer.header("ratelimit-limit"), answer.header("ratelimit-remaining")), ("60", "19"));
    world.get(secret, "/api/v1/executions").await.problem(403, "forbidden");
    world.state.access.flush().await.unwrap();
    let path = format!("/api/v1/api-keys/{id}");
    let used = world.get(&key, &path).await.expect(200);
    assert_eq!((&used["usage_count"], used["last_used_at"].is_string()), (&json!(2), true));

    for _ in 0..18 {
        world.get(secret, "/api/v1/workflows").await.expect(200);
    }
    let refused = world.get(secret, "/api/v1/workflows").await;
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit-remaining")), ("1", "0"));
    refused.problem(429, "rate_limited");

    world.send(Ask { method: "DELETE", path: &path, key: Some(&key), ..Ask::default() }).await.expect(204);
    world.get(secret, "/api/v1/workflows").await.problem(401, "unauthenticated");
    world.get(&key, &path).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_account_is_made_changed_and_a_lost_update_is_refused() {
    let world = World::new().await;
    let admin = world.key(&world.admin, &["*"]).await;
    let body = json!({ "email": "Ada@Example.com", "full_name": "Ada", "password": "correct horse", "role": "user" });
    let answer = world.post(&admin, "/api/v1/users", body.clone()).await;
    let (tag, made) = (answer.header("etag").to_owned(), answer.expect(201));
    assert_eq!((&made["email"], made.get("password_hash")), (&json!("ada@example.com"), None));
    world.post(&admin, "/api/v1/users", body).await.problem(409, "already_exists");

    let path = format!("/api/v1/users/{}", made["id"].as_str().unwrap());
    world.store.clock().advance_ms(1);
    let change = async |body: Value, tag: &str| {
        let headers = [("if-match", tag)];
        let ask = Ask {
            method: "PATCH",
            path: &path,
            key: Some(&admin),
            body: Some(body),
            headers: &headers,
            ..Ask::default()
        };
        world.send(ask).await
    };
    let changed = change(json!({ "full_name": "Ada Lovelace" }), &tag).await;
    let next = changed.header("etag").to_owned();
    assert_eq!(changed.expect(200)["full_name"], "Ada Lovelace");
    change(json!({ "full_name": "Eve" }), &tag).await.problem(409, "conflict");
    change(json!({ "full_name": "Eve" }), "nonsense").await.problem(400, "invalid_header");
    change(json!({ "is_active": false }), &next).await.expect(200);

    let delete = async |tag: &str| {
        let headers = [("if-match", tag)];
        world.send(Ask { method: "DELETE", path: &path, key: Some(&admin), headers: &headers, ..Ask::default() }).await
    };
    delete(&tag).await.problem(409, "conflict");
    delete("nonsense").await.problem(400, "invalid_header");
    let seen = world.get(&admin, &path).await.header("etag").to_owned();
    delete(&seen).await.expect(204);
    world.get(&admin, &path).await.problem(404, "not_found");
    world.post(&admin, &format!("{path}/restore"), json!({})).await.expect(200);
    let own = format!("/api/v1/users/{}", world.admin.id);
    world.send(Ask { method: "DELETE", path: &own, key: Some(&admin), ..Ask::default() }).await.problem(422, "invalid");
    let service = world.account("bot@example.com", UserRole::Agent).await;
    let key = world.key(&service, &["*"]).await;
    let me = world.get(&key, "/api/v1/me").await.expect(200);
    assert_eq!(me["user"]["role"], "agent");
    assert!(!me["permissions"].as_array().unwrap().contains(&json!("workflows:write")), "{me}");
}

#[tokio::test]
async fn a_search_finds_ones_own_by_words() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let [owner, other] = [world.key(&world.owner, &["*"]).await, world.key(&world.other, &["*"]).await];
    let count = async |key: &str, path: &str| world.get(key, path).await.expect(200)["items"].as_array().unwrap().len();

    assert_eq!(count(&owner, "/api/v1/workflows?search=HEL").await, 1);
    assert_eq!(count(&owner, "/api/v1/workflows?search=hello%20there").await, 0);
    assert_eq!(count(&owner, "/api/v1/agents?search=greet").await, 1);
    assert_eq!(count(&other, "/api/v1/workflows?search=hello&public=true").await, 0);
    world.get(&owner, "/api/v1/workflows?search=%20").await.problem(400, "invalid_query");
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["secrets:*"]).await;
    let value = "the-value-of-it";
    let body = |hosts: Value| json!({ "name": "TOKEN", "value": value, "hosts": hosts });

    let set = world.post(&key, "/api/v1/secrets", body(json!(["a.org"]))).await.expect(200);
    let again = world.post(&key, "/api/v1/secrets", body(json!(["b.org"]))).await.expect(200);
    assert_eq!((&set["id"], &again["hosts"]), (&again["id"], &json!(["b.org"])));
    for name in ["A", "Z"] {
        world.post(&key, "/api/v1/secrets", json!({ "name": name, "value": value })).await.expect(200);
    }
    let first = world.get(&key, "/api/v1/secrets?limit=2").await.expect(200);
    assert_eq!((&first["items"][1], &first["next"]), (&again, &json!("TOKEN")));
    let rest = world.get(&key, "/api/v1/secrets?limit=2&after=TOKEN").await.expect(200);
    assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("Z"), &Value::Null));
    assert!(![set.to_string(), first.to_string(), rest.to_string()].concat().contains(value));

    let bad = json!({ "name": "9", "value": "short", "hosts": ["https://a.org"] });
    let problem = world.post(&key, "/api/v1/secrets", bad).await.problem(422, "invalid");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/value", "/hosts/0"]);
    let reader = world.key(&world.owner, &["secrets:read"]).await;
    world.post(&reader, "/api/v1/secrets", body(json!([]))).await.problem(403, "forbidden");

    let path = format!("/api/v1/secrets/{}", set["id"].as_str().unwrap());
    let delete = || Ask { method: "DELETE", path: &path, key: Some(&key), ..Ask::default() };
    assert_eq!(world.send(delete()).await.status.as_u16(), 204);
    world.send(delete()).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_types_of_agents_are_listed_with_the_form_of_their_configs() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["agents:read"]).await;

    let types = world.get(&key, "/api/v1/agent-types").await.expect(200);

    let items = types["items"].as_array().unwrap();
    let names: Vec<&Value> = items.iter().map(|one| &one["type"]).collect();
    assert_eq!(names, [&json!("code"), &json!("api"), &json!("llm"), &json!("data"), &json!("workflow")]);
    assert_eq!(items[1]["config_schema"]["required"], json!(["url"]));
    let other = world.key(&world.owner, &["executions:read"]).await;
    world.get(&other, "/api/v1/agent-types").await.problem(403, "forbidden");
}
