//! `turbocat apply`.

use crate::{
    documents::COUNT,
    turbocat::{Folder, Turbocat},
};

#[tokio::test]
async fn applying_twice_changes_nothing_and_a_change_makes_a_version() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("apply");
    let file = folder.write("count.yaml", COUNT);
    let changes = async || {
        let values = turbocat.run(&["apply", "-f", &file, "--json"]).await.success().values();
        let told = |value: &serde_json::Value| format!("{} {} {}", value["name"], value["change"], value["version"]);
        values.iter().map(|value| told(value).replace('"', "")).collect::<Vec<_>>()
    };

    assert_eq!(changes().await, ["count-words created 1", "count created 1"]);
    assert_eq!(changes().await, ["count-words unchanged 1", "count unchanged 1"]);

    folder.write("count.yaml", &COUNT.replace("name: count\n", "name: count\ndescription: Counts.\n"));
    assert_eq!(changes().await, ["count-words unchanged 1", "count updated 2"]);

    // A step points at the version of its agent: a new one makes a new version of the workflow.
    folder.write("count.yaml", &COUNT.replace("| length", "| length + 1"));
    assert_eq!(changes().await, ["count-words updated 2", "count updated 3"]);
    assert_eq!(changes().await, ["count-words unchanged 2", "count unchanged 3"]);
}

#[tokio::test]
async fn one_problem_in_one_file_keeps_all_files_out() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("apply-bad");
    let good = folder.write("good.yaml", COUNT);
    let bad = folder.write("bad.yaml", "name: bad\nsteps:\n  - { key: a, type: agent, agent: nobody }\n");

    let answer = turbocat.run(&["apply", "-f", &good, &bad]).await.failure();

    assert!(answer.stderr.contains(&format!("{bad}:3: steps[0].agent: ")), "{}", answer.stderr);
    assert!(answer.stderr.contains("[unknown_agent]"), "{}", answer.stderr);
    let second = turbocat.run(&["apply", "-f", &good, "--json"]).await.success();
    assert!(second.values().iter().all(|value| value["change"] == "created"), "{}", second.stdout);
}

#[tokio::test]
async fn a_program_that_cannot_be_parsed_is_a_problem_of_its_document() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("apply-program");
    let file = folder.write("bad.yaml", "kind: agent\nname: a\ntype: data\nconfig:\n  program: '.a |'\n");

    let answer = turbocat.run(&["apply", "-f", &file, "--json"]).await.failure();

    let problem = &answer.value()["problems"][0];
    assert_eq!((&problem["path"], &problem["line"]), (&"config.program".into(), &5.into()), "{problem}");
}
