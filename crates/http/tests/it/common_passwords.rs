//! The passwords that everybody guesses, wherever a password is set.

use serde_json::{Value, json};

use crate::world::{Answer, Ask, PASSWORD, World};

const COMMON: &str = "Trustno1";

/// The one thing that is wrong with a request.
#[track_caller]
fn refused(answer: Answer) -> (String, String) {
    let problem = answer.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{problem}");
    assert!(errors[0]["message"].as_str().unwrap().contains("most common"), "{problem}");
    let text = |member: &Value| member.as_str().unwrap().to_owned();
    (text(&errors[0]["pointer"]), text(&errors[0]["code"]))
}

#[tokio::test]
async fn a_common_password_is_refused_wherever_one_is_set() {
    let world = World::new().await;
    let at = |pointer: &str| (pointer.to_owned(), "common_password".to_owned());
    let admin = world.key(&world.admin, &["*"]).await;
    let made = world.post(&admin, "/api/v1/users", json!({ "email": "new@example.com", "password": COMMON })).await;
    assert_eq!(refused(made), at("/password"));

    let owner = world.key(&world.owner, &["*"]).await;
    let change = json!({ "current": PASSWORD, "new": COMMON });
    assert_eq!(refused(world.post(&owner, "/api/v1/me/password", change).await), at("/new"));

    let post = async |path: &str, body: Value| {
        world.send(Ask { method: "POST", path, body: Some(body), ..Ask::default() }).await
    };
    post("/api/v1/password-resets", json!({ "email": "owner@example.com" })).await.expect(202);
    world.state.settle().await;
    let token = World::token_in(&world.mailbox.take()[0]);
    let confirm = async |password: &str| {
        post("/api/v1/password-resets/confirm", json!({ "token": token, "password": password })).await
    };
    assert_eq!(refused(confirm(COMMON).await), at("/password"));
    confirm("another correct horse").await.expect(204);
}
