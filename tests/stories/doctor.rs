//! `turbocat doctor`.

use crate::turbocat::Turbocat;

#[tokio::test]
async fn the_doctor_names_what_is_broken_and_what_to_do() {
    let turbocat = Turbocat::with_empty_database().await;

    let findings = turbocat.run(&["doctor", "--json"]).await.failure().values();

    let finding = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap();
    assert_eq!(finding("durability")["verdict"], "broken");
    assert!(finding("durability")["advice"].as_str().unwrap().contains("fsync = on"));
    assert!(finding("schema")["advice"].as_str().unwrap().contains("turbocat migrate up"));
    assert_ne!(finding("sandbox")["verdict"], "broken");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_broken() {
    let nowhere = ["--database-url=postgres://nobody@127.0.0.1:1/nothing".to_owned()];

    let answer = Turbocat::with_options(&nowhere).run(&["doctor"]).await.failure();

    assert!(answer.stdout.contains("✗ database"), "{}", answer.stdout);
}
