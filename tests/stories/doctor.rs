//! `turbocat doctor`.

use crate::turbocat::{Folder, Turbocat};

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
async fn the_doctor_says_where_the_keys_of_secrets_come_from() {
    let folder = Folder::new("doctor-keys");
    let data = folder.path().join("data");
    let turbocat = Turbocat::with_database().await.with_option(format!("--data-dir={}", data.display()));
    let told = async |turbocat: &Turbocat| {
        let findings = turbocat.run(&["doctor", "--json"]).await.values();
        let finding = findings.iter().find(|finding| finding["what"] == "secrets").unwrap();
        (finding["verdict"].clone(), finding["found"].as_str().unwrap().to_owned())
    };

    let (verdict, found) = told(&turbocat).await;
    assert!(verdict == "ok" && found.starts_with("no key yet") && found.contains("secrets.key"), "{found}");
    assert!(!data.join("secrets.key").exists(), "a look makes no key");

    let value = folder.write("value", "s3cret-value");
    turbocat.run(&["secrets", "set", "A", "--file", &value]).await.success();
    turbocat.run(&["secrets", "rotate"]).await.success();
    let (verdict, found) = told(&turbocat).await;
    assert!(verdict == "ok" && found.starts_with("2 keys") && found.contains("secrets.key"), "{found}");

    std::fs::write(data.join("secrets.key"), "nonsense\n").unwrap();
    let (verdict, found) = told(&turbocat).await;
    assert!(verdict == "broken" && !found.contains("nonsense"), "{found}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_broken() {
    let nowhere = ["--database-url=postgres://nobody@127.0.0.1:1/nothing".to_owned()];

    let answer = Turbocat::with_options(&nowhere).run(&["doctor"]).await.failure();

    assert!(answer.stdout.contains("✗ database"), "{}", answer.stdout);
}
