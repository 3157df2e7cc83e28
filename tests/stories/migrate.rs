//! `turbocat migrate` and `turbocat seed`.

use crate::turbocat::Turbocat;

#[tokio::test]
async fn the_schema_goes_up_and_down_and_says_how_it_stands() {
    let turbocat = Turbocat::with_empty_database().await;
    let applied = async || {
        let states = turbocat.run(&["migrate", "status", "--json"]).await.success().values();
        (states.iter().filter(|state| state["applied"] == true).count(), states.len())
    };
    let (none, all) = applied().await;
    assert!(none == 0 && all > 0);

    turbocat.run(&["migrate", "up"]).await.success();
    assert_eq!(applied().await, (all, all));
    let again = turbocat.run(&["migrate", "up"]).await.success();
    assert_eq!(again.stdout, "nothing to do\n");

    turbocat.run(&["migrate", "down"]).await.failure();
    assert_eq!(applied().await, (all, all));
    turbocat.run(&["migrate", "down", "--yes"]).await.success();
    assert_eq!(applied().await, (all - 1, all));
    turbocat.run(&["migrate", "down", "--all", "--yes"]).await.success();
    assert_eq!(applied().await, (0, all));
}

#[tokio::test]
async fn seeding_twice_makes_everything_once_even_at_the_same_time() {
    let turbocat = Turbocat::with_database().await;

    let (one, other) = tokio::join!(turbocat.run(&["seed", "--json"]), turbocat.run(&["seed", "--json"]));
    let (one, other) = (one.success().value(), other.success().value());

    let created = |seeded: &serde_json::Value| seeded["templates"]["created"].as_array().unwrap().len();
    assert!(one["admin"]["created"] != other["admin"]["created"], "{one} {other}");
    assert!(created(&one).min(created(&other)) == 0 && created(&one).max(created(&other)) >= 5, "{one} {other}");

    let third = turbocat.run(&["seed", "--admin-password", "correct horse", "--json"]).await.success().value();
    assert_eq!((created(&third), &third["admin"]["password_set"]), (0, &true.into()));
    let fourth = turbocat.run(&["seed", "--admin-password", "another", "--json"]).await.success().value();
    assert_eq!(fourth["admin"]["password_set"], false);
}
