//! The document of the API, and what was committed of it.

use std::path::Path;

use serde_json::Value;
use turbocat_http::{document, routes};

use crate::world::{Ask, World};

#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let world = World::new().await;
    let served = world.send(Ask { path: "/api/v1/openapi.json", ..Ask::default() }).await.expect(200);
    let pretty = format!("{}\n", document(world.state.clone()).to_pretty_json().unwrap());
    assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), served);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &pretty).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == pretty, "docs/openapi.json is old: run this test with UPDATE_OPENAPI=1, and commit it");
}

#[tokio::test]
async fn every_route_says_what_it_needs_and_how_it_is_called() {
    let world = World::new().await;
    let document = serde_json::to_value(document(world.state.clone())).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let listed = routes(world.state);
    assert!(listed.len() > 30, "only {} routes were found", listed.len());
    let mut ids = std::collections::BTreeSet::new();
    for route in listed {
        let operation = &document["paths"][&route.path][route.method.to_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{route:?} has no id"));
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{id}");
        assert!(operation["responses"]["default"].is_object(), "{id}");
        let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
        let proves_itself =
            ["log_in", "receive_webhook", "call_endpoint", "confirm_password_reset", "confirm_email_verification"]
                .contains(&id);
        let tells_nothing = id == "request_password_reset";
        assert_eq!(is_open, proves_itself || tells_nothing, "{id}: only what brings its own proof is for everybody");
    }
}

#[tokio::test]
async fn the_page_for_people_needs_nothing_from_elsewhere() {
    let world = World::new().await;
    let page = world.send(Ask { path: "/api/v1/docs", ..Ask::default() }).await;

    assert!(page.text.contains("/api/v1/executions/{id}/events") && page.text.contains("executions:start"));
    for elsewhere in ["http://", "https://", "<script", "src=", "@import", "url("] {
        assert!(!page.text.contains(elsewhere), "{elsewhere}");
    }
}
