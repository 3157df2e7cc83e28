//! The audit log: every route that changes something writes its entry, and who sees which.

use serde_json::{Value, json};
use turbocat_domain::{
    audit_log::AuditLog,
    port::{AuditLogFilter, PageRequest, Queries},
    user::UserRole,
};
use turbocat_http::{Route, routes};

use crate::{
    bodies::body,
    matrix::{Scene, Target},
    world::{Ask, PASSWORD, World},
};

/// What writes no entry, because the row that it makes says by itself who made it, when and by which credential, and
/// never changes.
const TELLS_BY_ITSELF: [(&str, &str); 4] = [
    ("POST", "/api/v1/executions"),
    ("POST", "/api/v1/executions/bulk"),
    ("POST", "/api/v1/deployments/{id}/executions"),
    ("POST", "/api/v1/events"),
];

/// What is done with things of one's own, also by an administrator.
const OF_OWNERS: [&str; 6] = [
    "/api/v1/approvals/{id}/decide",
    "/api/v1/deployments",
    "/api/v1/deployments/{id}/executions",
    "/api/v1/executions",
    "/api/v1/executions/bulk",
    "/api/v1/me/password",
];

async fn entries(world: &World) -> Vec<AuditLog> {
    let (all, page) = (AuditLogFilter::default(), PageRequest { limit: 200, after: None });
    world.store.audit_logs().list(&all, page).await.unwrap().items
}

/// Asks a route that changes something, of an administrator, so that it does.
async fn change(scene: &Scene, route: &Route) -> (u16, String) {
    let world = &scene.world;
    let key = world.key(&world.admin, &["*"]).await;
    let path = scene.path(route, Target::Owners);
    if let Some(thing) = path.strip_suffix("/restore") {
        world.send(Ask { method: "DELETE", path: thing, key: Some(&key), ..Ask::default() }).await.expect(204);
    }
    if let Some(thing) = path.strip_suffix("/activate") {
        // What answers already is left as it is.
        world.post(&key, &format!("{thing}/stop"), Value::Null).await.expect(200);
    }
    let is_login = (route.method, route.path.as_str()) == ("POST", "/api/v1/sessions");
    let is_of_session = !is_login && route.path.starts_with("/api/v1/sessions");
    let is_of_owner = OF_OWNERS.contains(&route.path.as_str());
    let credential = match (is_of_session, is_of_owner) {
        (true, _) => scene.session_of_owner().await,
        (_, true) => world.key(&world.owner, &["*"]).await,
        _ => key,
    };
    let body = if is_login { Some(json!({ "email": "owner@example.com", "password": PASSWORD })) } else { body(route) };
    // A change of a browser's needs no more than a key's here: the token is sent as programs send it.
    let headers = [("user-agent", "the test"), ("x-request-id", "req-of-the-test")];
    let ask =
        Ask { method: route.method, path: &path, key: Some(&credential), headers: &headers, body, ..Ask::default() };
    world.store.clock().advance_ms(1);
    let before = entries(world).await.len();
    let answer = world.send(ask).await;
    world.state.settle().await;
    let after = entries(world).await;
    let written = after.len() - before;
    let expected = usize::from(!TELLS_BY_ITSELF.contains(&(route.method, route.path.as_str())));
    assert_eq!(written, expected, "{} {}: {} {}", route.method, route.path, answer.status, answer.text);
    if written == 1 {
        let entry = &after[0];
        assert_eq!(entry.user_agent.as_deref(), Some("the test"), "{entry:?}");
        assert_eq!(entry.ip_address.unwrap().to_string(), "192.0.2.1", "{entry:?}");
        assert!(entry.metadata["request_id"].is_string() && entry.user_id.is_some(), "{entry:?}");
        let kind = entry.resource_type.as_str();
        assert!(entry.action.starts_with(kind) && entry.resource_id.is_some(), "{entry:?}");
    }
    (answer.status.as_u16(), answer.text)
}

#[tokio::test]
async fn every_route_that_changes_something_writes_one_entry() {
    let listed = routes(World::new().await.state);
    let mut changed = 0;
    // A webhook needs a signature in place of a key, an endpoint a key of its own, and what they start tells by itself. What
    // needs the token of a mail is asked with one where that is tested.
    let is_signed = |route: &&Route| ["/api/v1/hooks/{id}", "/api/v1/endpoints/{id}"].contains(&route.path.as_str());
    let needs_more = |route: &&Route| is_signed(route) || route.path.ends_with("s/confirm");
    for route in listed.iter().filter(|route| route.method != "GET" && !needs_more(route)) {
        let scene = Scene::set().await;
        let (status, text) = change(&scene, route).await;
        assert!((200..300).contains(&status), "{} {}: {status} {text}", route.method, route.path);
        changed += 1;
    }
    println!("{changed} routes that change something, each with its entry");
    assert!(changed >= 17, "only {changed}");
}

#[tokio::test]
async fn what_is_refused_writes_none_but_a_login_does() {
    let world = World::new().await;
    let key = world.key(&world.other, &["*"]).await;
    let before = entries(&world).await.len();
    let refused = world.post(&key, "/api/v1/users", json!({ "email": "new@example.com" })).await;
    refused.problem(403, "forbidden");
    world.post(&key, "/api/v1/api-keys", json!({ "name": "", "scopes": [] })).await.problem(422, "invalid");
    assert_eq!(entries(&world).await.len(), before);

    let login = json!({ "email": "owner@example.com", "password": "wrong" });
    let ask = Ask { method: "POST", path: "/api/v1/sessions", body: Some(login), ..Ask::default() };
    world.send(ask).await.problem(401, "unauthenticated");
    let all = entries(&world).await;
    assert_eq!((all.len(), all[0].action.as_str()), (before + 1, "session.refused"));
}

#[tokio::test]
async fn an_administrator_sees_all_and_the_others_what_they_did() {
    let world = World::new().await;
    world.publish(&world.owner, crate::world::HELLO).await;
    let list = async |user, query: &str| -> Value {
        let key = world.key(user, &["*"]).await;
        world.get(&key, &format!("/api/v1/audit-logs?limit=200{query}")).await.expect(200)["items"].clone()
    };
    let (owner, admin) = (world.owner.id.to_string(), world.admin.id.to_string());
    let of = |items: &Value, id: &str| {
        let items = items.as_array().unwrap();
        (items.len(), items.iter().filter(|item| item["user_id"] == id).count())
    };

    assert_eq!(of(&list(&world.owner, "").await, &owner), (2, 2));
    assert_eq!(of(&list(&world.owner, &format!("&user_id={admin}")).await, &owner), (2, 2), "never somebody else's");
    assert_eq!(list(&world.other, "").await, json!([]));
    let all = list(&world.admin, "").await;
    assert!(of(&all, &owner).1 == 2 && of(&all, &admin).1 >= 5, "{all}");
    assert_eq!(of(&list(&world.admin, &format!("&user_id={owner}")).await, &owner), (2, 2));
    let published = list(&world.admin, "&action=workflow.published").await;
    assert_eq!((of(&published, &owner), published[0]["resource_type"].as_str()), ((1, 1), Some("workflow")));
    let about = published[0]["resource_id"].as_str().unwrap();
    assert_eq!(of(&list(&world.admin, &format!("&resource_id=wfl_{about}")).await, &owner), (1, 1));
    assert_eq!(of(&list(&world.admin, "&resource_type=agent").await, &owner), (1, 1));
    let key = world.key(&world.admin, &["*"]).await;
    world.get(&key, "/api/v1/audit-logs?resource_id=x").await.problem(400, "invalid_query");
    let service = world.account("bot@example.com", UserRole::Agent).await;
    let key = world.key(&service, &["*"]).await;
    world.get(&key, "/api/v1/audit-logs").await.problem(403, "forbidden");
}
