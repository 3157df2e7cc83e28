//! Processes that are killed.

use crate::{
    documents::SLOW,
    turbocat::{Folder, Turbocat},
};

#[tokio::test]
async fn what_a_killed_run_began_the_server_brings_to_its_end_without_doing_anything_twice() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("killed");
    let file = folder.write("slow.yaml", SLOW);
    let mut run = turbocat.start(&["run", &file, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap();
    run.line(|event| event["path"] == "before" && event["status"] == "completed").await;

    run.signal("KILL").await;
    assert_eq!(run.end().await.code(), None);

    let (server, _address) = turbocat.up().await;
    let shown = turbocat.until(id, "completed").await;
    assert_eq!(shown["output"], serde_json::json!({ "before": 1, "after": 1 }));
    let attempts: Vec<_> =
        shown["steps"].as_array().unwrap().iter().map(|step| (&step["path"], &step["attempt"])).collect();
    assert_eq!(attempts.len(), 3, "{shown}");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn what_an_interrupted_run_began_goes_on_with_the_server() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("interrupted");
    let file = folder.write("slow.yaml", SLOW);
    let mut run = turbocat.start(&["run", &file, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap();

    run.signal("INT").await;
    run.line(|event| event["event"] == "left").await;
    assert_eq!(run.end().await.code(), Some(130));

    let (server, _address) = turbocat.up().await;
    turbocat.until(id, "completed").await;
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}
