//! Ten thousand guesses at a password.

use serde_json::json;

use crate::world::{Answer, Ask, PASSWORD, World};

const GUESSES: usize = 10_000;
const ADDRESSES: usize = 40;

async fn log_in(world: &World, (email, password): (&str, &str), from: &str) -> Answer {
    let body = Some(json!({ "email": email, "password": password }));
    world.send(Ask { method: "POST", path: "/api/v1/sessions", body, from, ..Ask::default() }).await
}

#[tokio::test]
async fn ten_thousand_guesses_find_nothing_cost_little_and_lock_nobody_out() {
    let world = World::new().await;
    let (mut refused, mut throttled) = (0_u32, 0_u32);
    let before = world.comparisons();
    for guess in 0..GUESSES {
        let from = format!("203.0.113.{}:1", guess % ADDRESSES);
        let answer = log_in(&world, ("owner@example.com", &format!("correct horse {guess}")), &from).await;
        match answer.status.as_u16() {
            401 => refused += 1,
            429 => throttled += 1,
            other => panic!("guess {guess}: {other} {}", answer.text),
        }
    }
    let compared = world.comparisons() - before;
    println!("{GUESSES} guesses: {refused} refused, {throttled} throttled, {compared} hashes compared");
    assert_eq!(compared, refused, "what is throttled costs no hash");
    // Each address has five at once for an account, and no time has gone by.
    assert_eq!(refused, 5 * u32::try_from(ADDRESSES).unwrap());

    log_in(&world, ("owner@example.com", PASSWORD), "192.0.2.1:1").await.expect(201);
    log_in(&world, ("owner@example.com", PASSWORD), "203.0.113.1:1").await.problem(429, "rate_limited");
    world.store.clock().advance_ms(60_000);
    log_in(&world, ("owner@example.com", PASSWORD), "203.0.113.1:1").await.expect(201);
}

#[tokio::test]
async fn who_tries_one_password_on_every_account_is_stopped_too() {
    let world = World::new().await;
    let (mut refused, before) = (0, world.comparisons());
    for guess in 0..1_000 {
        let answer = log_in(&world, (&format!("user{guess}@example.com"), PASSWORD), "203.0.113.1:1").await;
        refused += u32::from(answer.status == 401);
        assert!([401, 429].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    let compared = world.comparisons() - before;
    println!("1000 accounts: {refused} refused, {compared} hashes compared");
    assert!(refused <= 300 && compared <= 301, "an address has three hundred a minute: {refused}, {compared}");
    log_in(&world, ("owner@example.com", PASSWORD), "192.0.2.1:1").await.expect(201);
}
