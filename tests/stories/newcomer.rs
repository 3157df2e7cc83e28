//! What somebody meets who does not know Turbocat yet: nothing is made by looking, and what goes wrong says what to do.

use std::time::{Duration, Instant};

use crate::{
    documents::{COUNT, FOR_EVER},
    turbocat::{Folder, Turbocat},
};

#[tokio::test]
async fn who_only_looks_makes_no_database() {
    let folder = Folder::new("newcomer-looks");
    let data = folder.path().join("data");
    let turbocat = Turbocat::with_options(&[format!("--data-dir={}", data.display())]);

    for look in [&["executions", "list"][..], &["migrate", "status"], &["doctor"], &["apply", "-f", "nowhere.yaml"]] {
        let answer = turbocat.run(look).await;
        assert!(!data.exists(), "{look:?} made {}: {}", data.display(), answer.stderr);
    }
    let answer = turbocat.run(&["executions", "list"]).await.failure();
    assert!(answer.stderr.contains("`turbocat run`"), "{}", answer.stderr);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_at_once_with_what_to_look_at() {
    let turbocat = Turbocat::with_options(&["--database-url=postgres://nobody:s3cret@127.0.0.1:1/nothing".to_owned()]);

    for command in [&["executions", "list"][..], &["migrate", "status"], &["seed"]] {
        let began = Instant::now();
        let answer = turbocat.run(command).await.failure();
        assert!(answer.stderr.contains("refused") && answer.stderr.contains("→ "), "{}", answer.stderr);
        assert!(!answer.stderr.contains("s3cret"), "{}", answer.stderr);
        assert!(began.elapsed() < Duration::from_secs(10), "{command:?} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn ctrl_c_hands_an_execution_back_and_says_so() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("newcomer-interrupts");
    let file = folder.write("for-ever.yaml", FOR_EVER);
    let mut run = turbocat.start(&["run", &file, "--json"]);
    let waiting = run.line(|event| event["event"] == "wait").await;
    assert_eq!((&waiting["for"], &waiting["name"]), (&"event".into(), &"never".into()), "{waiting}");

    run.signal("INT").await;

    let left = run.line(|event| event["event"] == "left").await;
    assert_eq!(run.end().await.code(), Some(130));
    let shown = turbocat.run(&["executions", "show", left["execution"].as_str().unwrap(), "--json"]).await;
    assert_eq!(shown.success().value()["completed_at"], serde_json::Value::Null);
}

#[tokio::test]
async fn what_was_published_runs_by_its_name() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("newcomer-name");
    let file = folder.write("count.yaml", COUNT);
    turbocat.run(&["apply", "-f", &file]).await.success();

    let input = ["--input", r#"{"text": "a b c"}"#];
    let answer = turbocat.run(&[&["run", "--workflow", "count"], &input[..]].concat()).await.success();
    assert_eq!(answer.value()["words"], 3);

    let answer = turbocat.run(&[&["run", "--workflow", "cuont"], &input[..]].concat()).await.failure();
    assert!(answer.stderr.contains("there is no workflow `cuont`"), "{}", answer.stderr);
}

#[tokio::test]
async fn an_output_that_is_lost_is_a_failure() {
    let turbocat = Turbocat::with_database().await;
    turbocat.run(&["seed"]).await.success();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();

    let answer = turbocat.run_into(&["migrate", "status"], full.into()).await.failure();

    assert!(answer.stderr.contains("standard output cannot be written to"), "{}", answer.stderr);
}
