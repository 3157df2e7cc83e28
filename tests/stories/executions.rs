//! `turbocat executions`.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    documents::{BOOM, BUSY, COUNT, FOR_EVER},
    turbocat::{Folder, Turbocat},
};

/// A workflow that waits for two events, whenever they came.
const TWO_WAITS: &str = "
name: two-waits
output: { order: '${{ steps.paid.output.order }}' }
steps:
  - { key: paid, type: wait, config: { event: { name: order.paid }, lookback_ms: 600000 } }
  - { key: sent, type: wait, config: { event: { name: order.sent }, lookback_ms: 600000 } }
";

#[tokio::test]
async fn executions_are_listed_shown_and_have_a_log() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("executions");
    let (count, boom) = (folder.write("count.yaml", COUNT), folder.write("boom.yaml", BOOM));
    turbocat.run(&["run", &count, "--input", r#"{"text": "a b"}"#]).await.success();
    turbocat.run(&["run", &boom]).await.failure();

    let listed = turbocat.run(&["executions", "list", "--json"]).await.success().values();
    let statuses: Vec<_> = listed.iter().map(|execution| execution["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "completed"]);
    let failed = turbocat.run(&["executions", "list", "--status", "failed"]).await.success().stdout;
    assert!(failed.contains("boom v1") && !failed.contains("count v1"), "{failed}");

    let failed_id = listed[0]["execution"].as_str().unwrap();
    let shown = turbocat.run(&["executions", "show", failed_id]).await.success().stdout;
    assert!(shown.contains("kaboom") && shown.contains("error at `boom`"), "{shown}");
    let completed_id = listed[1]["execution"].as_str().unwrap();
    let shown = turbocat.run(&["executions", "show", completed_id, "--json"]).await.success().value();
    assert_eq!((&shown["output"]["words"], &shown["steps"][0]["path"]), (&2.into(), &"words".into()));

    let log = turbocat.run(&["executions", "logs", failed_id, "--follow"]).await.success().stdout;
    assert!(log.contains("this will not end well"), "{log}");
    let errors = turbocat.run(&["executions", "logs", failed_id, "--level", "error", "--json"]).await.success();
    assert!(!errors.values().is_empty() && !errors.stdout.contains("this will not end well"), "{}", errors.stdout);
}

#[tokio::test]
async fn an_execution_that_is_not_there_is_not_found() {
    let turbocat = Turbocat::with_database().await;
    turbocat.run(&["seed"]).await.success();

    let answer = turbocat.run(&["executions", "show", "exe_00000000000000000000000000000000"]).await.failure();

    assert!(answer.stderr.contains("there is no execution"), "{}", answer.stderr);
    assert_eq!(turbocat.run(&["executions", "show", "nonsense"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn an_execution_that_waits_for_ever_can_be_cancelled() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("cancel");
    let file = folder.write("for-ever.yaml", FOR_EVER);
    let mut run = turbocat.start(&["run", &file, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap();

    turbocat.run(&["executions", "cancel", id]).await.success();

    let ended = run.line(|event| event["event"] == "ended").await;
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(run.end().await.code(), Some(1));
    let again = turbocat.run(&["executions", "cancel", id, "--json"]).await.success().value();
    assert_eq!(again["cancel"], "ended");
}

#[tokio::test]
async fn the_server_hears_of_a_cancel_at_once_whether_the_execution_is_parked_or_busy() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("cancel-up");
    let (server, _address) = turbocat.up().await;

    for (name, document) in [("for-ever.yaml", FOR_EVER), ("busy.yaml", BUSY)] {
        let file = folder.write(name, document);
        let mut run = turbocat.start(&["run", &file, "--json"]);
        let accepted = run.line(|event| event["event"] == "accepted").await;
        let id = accepted["execution"].as_str().unwrap();
        run.signal("INT").await;
        run.line(|event| event["event"] == "left").await;
        assert_eq!(run.end().await.code(), Some(130));
        turbocat.until(id, "running").await;

        turbocat.run(&["executions", "cancel", id]).await.success();
        let asked_at = Instant::now();
        turbocat.until(id, "cancelled").await;
        assert!(asked_at.elapsed() < Duration::from_secs(3), "{name}: {:?}", asked_at.elapsed());
    }
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_pause_outlives_the_server_and_a_resume_takes_in_what_came_meanwhile() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("pause");
    let (server, _address) = turbocat.up().await;
    turbocat.run(&["apply", "-f", &folder.write("two-waits.yaml", TWO_WAITS)]).await.success();
    let id = turbocat.run(&["executions", "start", "two-waits"]).await.success().stdout.trim().to_owned();
    turbocat.until(&id, "running").await;

    let pause = ["executions", "pause", &id, "--reason", "the bank is closed"];
    let told = turbocat.run(&pause).await.success().stdout;
    assert!(told.contains("begins nothing until it is resumed"), "{told}");
    let shown = turbocat.run(&["executions", "show", &id]).await.success().stdout;
    assert!(shown.contains("UTC: the bank is closed") && shown.contains("executions resume"), "{shown}");
    turbocat.run(&["events", "send", "order.paid", "--payload", r#"{"order": 7}"#]).await.success();
    server.signal("KILL").await;
    server.end().await;
    let (server, _address) = turbocat.up().await;
    // What is started behind it is through: the server has looked at all that there is to be done.
    let other = turbocat.run(&["executions", "start", "two-waits"]).await.success().stdout.trim().to_owned();
    turbocat.run(&["events", "send", "order.sent"]).await.success();
    turbocat.until(&other, "completed").await;
    let held = turbocat.run(&["executions", "show", &id, "--json"]).await.success().value();
    assert_eq!((&held["status"], &held["steps"]), (&"running".into(), &serde_json::json!([])));

    let resumed = turbocat.run(&["executions", "resume", &id, "--json"]).await.success().value();
    assert_eq!(resumed["resume"], "requested");
    let ended = turbocat.until(&id, "completed").await;
    assert_eq!((&ended["output"]["order"], &ended["paused_at"]), (&7.into(), &serde_json::Value::Null));
    assert_eq!(turbocat.run(&["executions", "pause", &id, "--json"]).await.success().value()["pause"], "ended");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}
