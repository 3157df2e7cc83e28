//! The order of lists, and the filters of accounts and executions.

use serde_json::{Value, json};

use crate::world::World;

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_in_the_order_that_is_asked_for_and_in_no_other() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["*"]).await;
    for name in ["bb", "cc", "aa"] {
        let text = format!("name: {name}\nsteps: [{{ key: a, type: wait, config: {{ duration_ms: 1 }} }}]\n");
        world.publish(&world.owner, &text).await;
    }
    for (sort, expected) in [
        ("", ["aa", "cc", "bb"]),
        ("?sort=created_at", ["bb", "cc", "aa"]),
        ("?sort=name", ["aa", "bb", "cc"]),
        ("?sort=-name", ["cc", "bb", "aa"]),
    ] {
        let listed = world.get(&key, &format!("/api/v1/workflows{sort}")).await.expect(200);
        assert_eq!(names(&listed), expected, "{sort}");
    }
    let first = world.get(&key, "/api/v1/workflows?sort=name&limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = world.get(&key, &format!("/api/v1/workflows?sort=name&limit=2&after={next}")).await.expect(200);
    assert_eq!((names(&first), names(&second)), (vec!["aa", "bb"], vec!["cc"]));
    for path in ["workflows", "agents", "templates", "deployments"] {
        world.get(&key, &format!("/api/v1/{path}?sort=-updated_at")).await.expect(200);
        let refused = world.get(&key, &format!("/api/v1/{path}?sort=user_id")).await.problem(400, "invalid_query");
        assert_eq!(refused["errors"][0]["pointer"], json!("sort"));
    }
}

#[tokio::test]
async fn accounts_and_executions_are_found_by_what_is_known_of_them() {
    let world = World::new().await;
    let (admin, owner) = (world.key(&world.admin, &["*"]).await, world.key(&world.owner, &["*"]).await);
    for (query, count) in [("?search=OWNER", 1), ("?search=example.com%20other", 1), ("?active=false", 0)] {
        let found = world.get(&admin, &format!("/api/v1/users{query}")).await.expect(200);
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    world.publish(&world.owner, crate::world::HELLO).await;
    let id = world.start(&world.owner, "hello").await;
    let at = world.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    for (query, is_there) in [
        ("trigger=api".to_owned(), true),
        ("trigger=webhook".to_owned(), false),
        (format!("created_from={at}"), true),
        (format!("created_before={at}"), false),
    ] {
        let found = world.get(&owner, &format!("/api/v1/executions?{query}")).await.expect(200);
        let found = found["items"].as_array().unwrap().iter().any(|one| one["id"] == json!(id.to_string()));
        assert_eq!(found, is_there, "{query}");
    }
    world.get(&owner, "/api/v1/executions?created_from=yesterday").await.problem(400, "invalid_query");
}
