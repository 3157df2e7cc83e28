//! `turbocat chaos` notices what is wrong: each bug that is planted in the protocol is found, under its name.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use turbocat_planted::Bug;

use crate::turbocat::{Folder, Turbocat};

/// A run is half a minute with faults, and as long again until it is given up that all ends.
const DEADLINE: Duration = Duration::from_mins(4);

/// So many runs are made until a bug is found: what needs an accident to show may not show in half a minute.
const SEEDS: [&str; 5] = ["3", "4", "5", "6", "7"];

/// Runs the chaos with a bug in all of its processes, and wants its rule to be found broken.
async fn is_found(bug: Bug) {
    let (name, finding) = (bug.as_str(), bug.finding());
    for seed in SEEDS {
        let report = run(bug, seed).await;
        let rule = report["findings"].as_array().unwrap().iter().find(|rule| rule["name"] == finding).unwrap();
        let (tried, broken) = (rule["tried"].as_u64().unwrap(), rule["broken"].as_u64().unwrap());
        println!("{name}: {finding} was broken {broken} of {tried} times, with seed {seed}");
        if broken > 0 {
            return assert_eq!(report["ok"], false, "{name}: {report:#}");
        }
    }
    panic!("`{finding}` did not notice {name} in {} runs", SEEDS.len());
}

/// The report of one run with the faults that bring the bug to light.
async fn run(bug: Bug, seed: &str) -> Value {
    let folder = Folder::new(&format!("planted-{}-{seed}", bug.as_str()));
    let kept = folder.path().join("run").display().to_string();
    let faults = if bug.faults().is_empty() { "none".to_owned() } else { bug.faults().join(",") };
    let with = ["--faults", &faults, "--keep", &kept, "--plant", bug.as_str()];
    let run = ["chaos", "--seed", seed, "--minutes", "0.5", "--in-flight", "60"];

    let turbocat = Turbocat::with_options(&["--json".to_owned()]);
    let answer = turbocat.run_within(DEADLINE, &[&run[..], &with].concat(), Stdio::piped()).await;

    assert_eq!(answer.status.success(), answer.value()["ok"] == true && answer.value()["valid"] == true);
    answer.value()
}

/// One story a bug, so that they can be run one by one; each takes up to a minute.
macro_rules! stories {
    ($($name:ident: $bug:ident,)*) => {
        $(
            #[tokio::test]
            #[ignore = "takes a minute a bug: cargo nextest run --run-ignored only -E 'test(planted)' -j 1"]
            async fn $name() {
                is_found(Bug::$bug).await;
            }
        )*

        #[test]
        fn every_bug_has_its_story() {
            assert_eq!([$(Bug::$bug),*], Bug::ALL);
        }
    };
}

stories! {
    a_dead_worker_that_commits_is_found: NoFence,
    a_takeover_that_marks_nobody_dead_is_found: TakeoverWithoutDeath,
    a_takeover_that_forgets_executions_is_found: TakeoverForgets,
    a_claim_of_what_others_own_is_found: ClaimsOwned,
    a_claim_that_nobody_knows_of_is_found: UnknownKept,
    a_step_that_starts_before_the_commit_is_found: SuccessorBeforeCommit,
    a_doubt_that_is_taken_for_success_is_found: DoubtIsSuccess,
    a_result_that_is_sent_again_as_another_is_found: ResentAsNew,
    an_answer_before_the_insert_is_known_is_found: AcceptedInDoubt,
    records_that_are_dropped_are_found: RecordsDropped,
    facts_that_are_counted_again_are_found: CountedAgain,
    a_key_for_each_attempt_is_found: KeyOfAttempt,
    a_retry_without_its_delay_is_found: RetryEarly,
    a_clock_that_is_fast_is_found: ClockAhead,
    a_cancel_that_is_dropped_is_found: MailLost,
    a_wait_that_is_forgotten_is_found: WaitForgotten,
    a_parent_that_is_not_woken_is_found: ParentNotWoken,
    children_that_are_left_are_found: ChildrenLeft,
    parts_that_are_forgotten_are_found: PartsForgotten,
    a_part_of_a_dead_worker_is_found: PartsUnfenced,
}
