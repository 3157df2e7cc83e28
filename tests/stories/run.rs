//! `turbocat run`.

use std::fs;

use crate::{
    documents::{BOOM, COUNT},
    turbocat::{Folder, Turbocat, root},
};

const EXAMPLE: &str = "examples/dependency-report.yaml";

#[tokio::test]
async fn the_example_reports_on_the_lock_file_of_this_project() {
    let turbocat = Turbocat::with_empty_database().await;

    let answer = turbocat.run(&["run", EXAMPLE, "--input", "@Cargo.lock"]).await.success();

    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.matches("[[package]]").count();
    let output = answer.value();
    assert_eq!(output["packages"], packages, "{output}");
    let licences = output["licences"].as_object().unwrap().values().map(|count| count.as_u64().unwrap());
    assert!(licences.sum::<u64>() > packages as u64 / 2, "{output}");
    assert_eq!(output["advice"].as_array().unwrap().len(), 5, "{output}");
    assert!(output["duplicates"].as_array().unwrap().len() >= 5, "{output}");
    assert!(!output["summary"].as_str().unwrap().is_empty(), "{output}");
    assert!(output["report"].as_str().unwrap().starts_with("# Dependencies of Cargo.lock\n"), "{output}");
    assert!(answer.stderr.contains("completed in") && answer.stderr.contains("exe_"), "{}", answer.stderr);
    assert!(answer.stderr.contains("inspect[0].inspect_batch"), "{}", answer.stderr);
}

#[tokio::test]
async fn the_example_takes_the_other_branch_when_nothing_is_there_twice() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("clean-lock");
    let lock = "version = 4\n\n[[package]]\nname = \"alone\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"serde\"\n\
                version = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    let file = folder.write("Clean.lock", lock);

    let answer = turbocat.run(&["run", EXAMPLE, "--input", &format!("@{file}")]).await.success();

    let output = answer.value();
    assert_eq!((&output["packages"], &output["duplicates"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(output["licences"]["MIT OR Apache-2.0"], 1);
    assert_eq!(output["advice"][0]["text"], "No package is there in more than one version.");
}

#[tokio::test]
async fn the_smallest_example_greets() {
    let turbocat = Turbocat::with_database().await;

    let answer = turbocat.run(&["run", "examples/hello.yaml", "--input", r#"{"name": "Ada"}"#]).await.success();

    assert_eq!(answer.value()["greeting"], "Hello, Ada!");
}

#[tokio::test]
async fn for_programs_each_line_is_an_event() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("run-json");
    let file = folder.write("count.yaml", COUNT);

    let answer = turbocat.run(&["run", &file, "--input", r#"{"text": "a b c"}"#, "--json"]).await.success();

    let events = answer.values();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["accepted", "step", "ended"]);
    assert_eq!((&events[1]["path"], &events[1]["status"]), (&"words".into(), &"completed".into()));
    assert_eq!(events[0]["execution"], events[2]["execution"]);
    assert_eq!(events[2]["output"]["words"], 3);
}

#[tokio::test]
async fn a_step_that_fails_ends_the_run_with_its_error() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("boom");
    let file = folder.write("boom.yaml", BOOM);

    let answer = turbocat.run(&["run", &file]).await.failure();

    assert!(answer.stderr.contains("kaboom") && answer.stderr.contains("error at `boom`"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
}

#[tokio::test]
async fn a_document_with_problems_is_refused_with_all_of_them_and_their_lines() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("bad-document");
    let bad = COUNT.replace("key: words", "kee: words").replace("type: data", "type: dota");
    let file = folder.write("bad.yaml", &bad);

    let answer = turbocat.run(&["run", &file, "--input", r#"{"text": ""}"#]).await.failure();

    assert!(answer.stderr.contains(&format!("{file}:9: steps[0]")), "{}", answer.stderr);
    assert!(answer.stderr.contains(&format!("{file}:16: type: ")), "{}", answer.stderr);
    assert!(answer.stderr.contains("error: "), "{}", answer.stderr);
}

#[tokio::test]
async fn an_input_that_the_workflow_does_not_take_makes_no_execution() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("bad-input");
    let file = folder.write("count.yaml", COUNT);

    let answer = turbocat.run(&["run", &file, "--input", r#"{"text": 5}"#]).await.failure();

    assert!(answer.stderr.contains("input /text: "), "{}", answer.stderr);
    let list = turbocat.run(&["executions", "list", "--json"]).await.success();
    assert_eq!(list.stdout, "");
}

#[tokio::test]
async fn a_database_that_loses_what_it_acknowledged_is_refused() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("unsafe");
    let file = folder.write("count.yaml", COUNT);

    let answer = turbocat.careful().run(&["run", &file, "--input", r#"{"text": "a"}"#]).await.failure();

    assert!(answer.stderr.contains("fsync = on"), "{}", answer.stderr);
}
