//! A new password by mail, and the proof of an address.

use serde_json::{Value, json};
use turbocat_application::{AccountChange, Actor, Origin};
use turbocat_domain::{port::Queries, user::UserRole};

use crate::world::{Answer, Ask, PASSWORD, World};

const RESETS: &str = "/api/v1/password-resets";
const NEW: &str = "another correct horse";

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.send(Ask { method: "POST", path, body: Some(body), ..Ask::default() }).await
}

async fn ask_for_reset(world: &World, email: &str) -> Answer {
    let answer = post(world, RESETS, json!({ "email": email })).await;
    world.state.settle().await;
    answer
}

async fn confirm(world: &World, token: &str, password: &str) -> Answer {
    post(world, "/api/v1/password-resets/confirm", json!({ "token": token, "password": password })).await
}

async fn log_in(world: &World, password: &str) -> Answer {
    let body = json!({ "email": "owner@example.com", "password": password, "return_token": true });
    post(world, "/api/v1/sessions", body).await
}

#[tokio::test]
async fn a_mail_sets_a_new_password_once_and_ends_all_sessions() {
    let world = World::new().await;
    let session = log_in(&world, PASSWORD).await.expect(201)["token"].as_str().unwrap().to_owned();
    assert_eq!(ask_for_reset(&world, "Owner@Example.com").await.expect(202), Value::Null);
    let mails = world.mailbox.take();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "owner@example.com"));
    assert!(mails[0].text.contains("https://cat.example/api/v1/password-resets/confirm"), "{}", mails[0].text);
    let token = World::token_in(&mails[0]);

    let problem = confirm(&world, &token, "short").await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/password");
    confirm(&world, &token, NEW).await.expect(204);
    world.state.settle().await;

    world.get(&session, "/api/v1/me").await.problem(401, "unauthenticated");
    log_in(&world, PASSWORD).await.problem(401, "unauthenticated");
    let user = log_in(&world, NEW).await.expect(201)["user"].clone();
    assert_eq!(user["email_verified"], json!(true), "who sets a password by mail has read it");
    let told = world.mailbox.take();
    assert!(told.len() == 1 && told[0].subject.contains("was changed") && !told[0].text.contains("tc_"), "{told:?}");
    let problem = confirm(&world, &token, NEW).await.problem(422, "invalid");
    assert_eq!(
        (&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]),
        (&json!("/token"), &json!("invalid_token"))
    );
    assert_eq!(
        world.audited().await.split_off(2),
        ["session.began", "user.password_reset_requested", "user.password_reset", "session.refused", "session.began"]
    );
}

#[tokio::test]
async fn a_reset_tells_nobody_whether_there_is_an_account() {
    let world = World::new().await;
    world.account("bot@example.com", UserRole::Agent).await;
    let off = world.account("off@example.com", UserRole::User).await;
    let change = AccountChange { is_active: Some(false), ..AccountChange::default() };
    world.state.access.change_user(Actor::from(&world.admin), (off.id, change), &Origin::default()).await.unwrap();
    let addresses = ["owner@example.com", "nobody@example.com", "off@example.com", "bot@example.com", "no address"];
    let mut answers = Vec::new();
    for (index, email) in addresses.into_iter().enumerate() {
        let answer = ask_for_reset(&world, email).await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        answers.push((answer.status, format!("{headers:?}"), answer.text));
        assert_eq!(world.mailbox.take().len(), usize::from(index == 0), "{email}");
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(answers[0].0, 202);
}

#[tokio::test]
async fn what_is_answered_does_not_wait_for_the_mail_nor_for_the_account() {
    let world = World::new().await;
    // The answer is there while nothing has been looked up yet: the work runs when this task gives way.
    let answer = post(&world, RESETS, json!({ "email": "owner@example.com" })).await;
    assert_eq!(answer.status, 202);
    assert!(!world.audited().await.iter().any(|action| action == "user.password_reset_requested"));

    world.state.settle().await;
    assert_eq!(world.mailbox.take().len(), 1);
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_told_to_nobody() {
    let world = World::new().await;
    world.mailbox.refuse();
    assert_eq!(ask_for_reset(&world, "owner@example.com").await.expect(202), Value::Null);
    let key = world.key(&world.owner, &["account:write"]).await;
    assert_eq!(world.post(&key, "/api/v1/me/email-verification", json!({})).await.expect(202), Value::Null);
}

#[tokio::test]
async fn resets_are_throttled_for_each_address_and_for_each_account() {
    let world = World::new().await;
    let from = async |address: &str, email: &str| {
        let body = Some(json!({ "email": email }));
        let answer = world.send(Ask { method: "POST", path: RESETS, body, from: address, ..Ask::default() }).await;
        world.state.settle().await;
        answer
    };
    for _ in 0..10 {
        from("192.0.2.1:1", "nobody@example.com").await.expect(202);
    }
    let refused = from("192.0.2.1:1", "owner@example.com").await;
    assert!(!refused.header("retry-after").is_empty());
    refused.problem(429, "rate_limited");
    assert!(world.mailbox.take().is_empty());

    let mut mails = Vec::new();
    for host in 1..=100 {
        from(&format!("203.0.113.{host}:1"), "owner@example.com").await.expect(202);
        mails.extend(world.mailbox.take());
    }
    assert_eq!(mails.len(), 3, "whoever asks, from wherever");
    for minute in 0..10 {
        world.store.clock().advance_ms(60_000);
        from(&format!("198.51.100.{minute}:1"), "owner@example.com").await.expect(202);
        mails.extend(world.mailbox.take());
    }
    assert_eq!(mails.len(), 5, "and no more than five in an hour");
    confirm(&world, &World::token_in(&mails[0]), NEW).await.expect(204);
    confirm(&world, &World::token_in(&mails[4]), NEW).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_what_it_was_for() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        ask_for_reset(&world, "owner@example.com").await.expect(202);
        tokens.push(World::token_in(&world.mailbox.take()[0]));
    }
    post(&world, "/api/v1/email-verifications/confirm", json!({ "token": tokens[0] })).await.problem(422, "invalid");
    let session = log_in(&world, PASSWORD).await.expect(201)["token"].as_str().unwrap().to_owned();
    let change = json!({ "current": PASSWORD, "new": NEW });
    world.post(&session, "/api/v1/me/password", change).await.expect(204);
    confirm(&world, &tokens[0], PASSWORD).await.problem(422, "invalid");

    world.store.clock().advance_ms(60_000);
    ask_for_reset(&world, "owner@example.com").await.expect(202);
    let token = World::token_in(&world.mailbox.take()[0]);
    world.store.clock().advance_ms(3_600_000);
    confirm(&world, &token, PASSWORD).await.problem(422, "invalid");
    log_in(&world, NEW).await.expect(201);
}

#[tokio::test]
async fn who_guesses_tokens_is_slowed_down() {
    let world = World::new().await;
    let mut refused = 0;
    for guess in 0..1_000 {
        let answer = confirm(&world, &format!("tc_reset_{guess:046}"), NEW).await;
        refused += u32::from(answer.status == 429);
        assert!([422, 429].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    assert_eq!(refused, 700, "an address has three hundred a minute");
}

#[tokio::test]
async fn an_address_is_proven_by_the_mail_that_went_there() {
    let world = World::new().await;
    let key = world.key(&world.owner, &["account:*"]).await;
    let path = "/api/v1/me/email-verification";
    world.post(&key, path, json!({})).await.expect(202);
    world.state.settle().await;
    let mail = world.mailbox.take().remove(0);
    assert_eq!(mail.to.as_str(), "owner@example.com");
    let token = World::token_in(&mail);
    confirm(&world, &token, NEW).await.problem(422, "invalid");

    let prove =
        async |token: &str| post(&world, "/api/v1/email-verifications/confirm", json!({ "token": token })).await;
    prove("tc_verify_nonsense").await.problem(422, "invalid");
    prove(&token).await.expect(204);
    prove(&token).await.problem(422, "invalid");
    let user = world.store.users().get(world.owner.id).await.unwrap();
    assert!(user.email_verified && user.email_verified_at == Some(world.now()), "{user:?}");
    let problem = world.post(&key, path, json!({})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["code"], "already_verified");
    let audited = world.audited().await;
    assert_eq!(audited[audited.len() - 2..], ["user.email_verification_requested", "user.email_verified"]);

    let stranger = world.key(&world.other, &["executions:*"]).await;
    world.post(&stranger, path, json!({})).await.problem(403, "forbidden");
}
