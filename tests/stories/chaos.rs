//! `turbocat chaos`, for as long as a test may take.

use crate::turbocat::{Folder, Turbocat};

#[tokio::test]
async fn a_short_run_with_killed_workers_and_lost_commits_finds_nothing() {
    let folder = Folder::new("chaos");
    let kept = folder.path().join("run").display().to_string();
    let faults = "kill_worker,kill_acceptor,reply_lost,commit_lost,reset";
    let run = ["chaos", "--seed", "1", "--minutes", "0.34", "--in-flight", "40", "--faults", faults, "--keep", &kept];

    let answer = Turbocat::with_options(&["--json".to_owned()]).run(&run).await;

    let report = answer.value();
    let broken: Vec<_> = report["findings"].as_array().unwrap().iter().filter(|one| one["broken"] != 0).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{}", answer.stderr);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!((&report["lost"], &report["stale_accepted"]), (&0.into(), &0.into()));
    let count = |name: &str| report["faults"][name].as_u64().unwrap_or(0);
    assert!(report["accepted"].as_u64().unwrap() > 20, "{report:#}");
    assert!(
        count("kill_worker") + count("kill_acceptor") > 0 && count("reply_lost") + count("commit_lost") > 0,
        "{report:#}"
    );
    assert_eq!(answer.status.success(), report["valid"] == true, "{report:#}");
}

#[tokio::test]
async fn a_fault_that_is_none_is_refused_with_those_that_there_are() {
    let answer = Turbocat::with_options(&[]).run(&["chaos", "--faults", "meteor"]).await;

    assert_eq!(answer.status.code(), Some(2), "{}", answer.stderr);
    assert!(answer.stderr.contains("meteor") && answer.stderr.contains("kill_worker"), "{}", answer.stderr);
}
