//! `fields=` on every route that shows something.

use serde_json::{Value, json};
use turbocat_http::{document, routes};

use crate::{
    matrix::{Scene, Target},
    world::HELLO,
};

/// What a document says of the fields of a route.
fn told(document: &Value, path: &str) -> Option<Vec<String>> {
    let parameters = document["paths"][path]["get"]["parameters"].as_array()?;
    let fields = parameters.iter().find(|parameter| parameter["name"] == json!("fields"))?;
    let text = fields["description"].as_str().unwrap();
    let (_, known) = text.split_once("There are ").unwrap();
    Some(known.trim_end_matches('.').split(", ").map(str::to_owned).collect())
}

#[tokio::test]
async fn every_route_that_shows_something_can_be_cut_to_its_declared_fields() {
    let scene = Scene::set().await;
    let world = &scene.world;
    let document = serde_json::to_value(document(world.state.clone())).unwrap();
    let admin = world.key(&world.admin, &["*"]).await;
    let owner = world.key(&world.owner, &["*"]).await;
    let (mut cut, mut shown) = (0, 0);
    for route in routes(world.state.clone()) {
        // A stream has no fields.
        if route.method != "GET" || route.path.ends_with("/events") {
            continue;
        }
        let known = told(&document, &route.path).unwrap_or_else(|| panic!("{} has no `fields`", route.path));
        let path = scene.path(&route, Target::Owners);
        let key = if path.starts_with("/api/v1/users") { &admin } else { &owner };
        let whole = world.get(key, &path).await.expect(200);
        let some = world.get(key, &format!("{path}?fields={}", known[0])).await.expect(200);
        cut += 1;
        let items = |answer: &Value| match answer {
            Value::Array(items) => items.clone(),
            answer if answer.get("items").is_some() && answer.get("next").is_some() => {
                answer["items"].as_array().unwrap().clone()
            }
            answer => vec![answer.clone()],
        };
        assert_eq!(items(&whole).len(), items(&some).len(), "{path}");
        for (all, few) in items(&whole).iter().zip(items(&some)) {
            shown += 1;
            assert_eq!(few, json!({ known[0].as_str(): all[known[0].as_str()] }), "{path}");
            let undeclared = all.as_object().unwrap().keys().find(|name| !known.contains(name));
            assert_eq!(undeclared, None, "{path} answers with what it does not declare");
        }
        let refused = world.get(key, &format!("{path}?fields={},password_hash", known[0])).await;
        let refused = refused.problem(400, "invalid_query");
        let message = refused["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("`password_hash`") && message.contains(&known.join(", ")), "{path}: {message}");
    }
    assert!(cut > 25 && shown > 20, "{cut} routes, {shown} items");
}

#[tokio::test]
async fn fields_go_with_filters_pages_and_etags_and_come_after_the_question_who_asks() {
    let scene = Scene::set().await;
    let world = &scene.world;
    world.publish(&world.other, HELLO).await;
    let key = world.key(&world.owner, &["*"]).await;
    let listed = world.get(&key, "/api/v1/workflows?limit=1&fields=name,version&status=active").await.expect(200);
    assert_eq!(listed["items"][0].as_object().unwrap().len(), 2, "{listed}");
    let next = listed["next"].as_str().unwrap();
    let second = world.get(&key, &format!("/api/v1/workflows?limit=1&fields=name&after={next}")).await.expect(200);
    assert_ne!(second["items"][0]["name"], listed["items"][0]["name"]);
    world.get(&key, "/api/v1/workflows?fields=name&bogus=1").await.problem(400, "invalid_query");

    let templates = world.get(&key, "/api/v1/templates?fields=id").await.expect(200);
    let path = format!("/api/v1/templates/{}", templates["items"][0]["id"].as_str().unwrap());
    let (whole, cut) = (world.get(&key, &path).await, world.get(&key, &format!("{path}?fields=name")).await);
    assert_eq!(whole.header("etag"), cut.header("etag"));
    assert!(!cut.header("etag").is_empty());
    assert_eq!(cut.expect(200), json!({ "name": "the owner's" }));

    world.get("tc_live_nonsense", "/api/v1/workflows?fields=bogus").await.problem(401, "unauthenticated");
    let narrow = world.key(&world.owner, &["approvals:decide"]).await;
    world.get(&narrow, "/api/v1/workflows?fields=bogus").await.problem(403, "forbidden");
}
