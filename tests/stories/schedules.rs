//! Workflows that start by themselves.

use crate::turbocat::{Folder, Turbocat, within};

const MINUTELY: &str = r"
name: tick
triggers: { schedule: { cron: '* * * * *', timezone: Europe/Berlin, overlap: allow } }
output: { since: '${{ trigger.data.scheduled_for }}' }
steps:
  - { key: pause, type: wait, config: { duration_ms: 1 } }
";

const NEEDS_INPUT: &str = r"
name: needs-input
input: { type: object, required: [topic] }
triggers: { schedule: { cron: '@daily' } }
steps:
  - { key: pause, type: wait, config: { duration_ms: 1 } }
";

#[tokio::test]
async fn a_schedule_starts_a_workflow_once_however_many_servers_there_are() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("schedule");
    let applied = turbocat.run(&["apply", "-f", &folder.write("tick.yaml", MINUTELY)]).await.success();
    assert!(!applied.stderr.contains("not acted on") && !applied.stderr.contains("warning"), "{}", applied.stderr);
    // The one before the last minute, so that it is over whenever the servers look; those since are the next ones.
    turbocat.sql("UPDATE schedules SET next_at = date_trunc('minute', LOCALTIMESTAMP)").await;

    let ((one, _), (other, _)) = tokio::join!(turbocat.up(), turbocat.up());
    let list = async || turbocat.run(&["executions", "list", "--json"]).await.success().values();
    within("the schedule fires", async { while list().await.is_empty() {} }).await;
    for server in [one, other] {
        server.signal("TERM").await;
        assert_eq!(server.end().await.code(), Some(0));
    }

    let all = list().await;
    let mut ticks = Vec::new();
    for execution in &all {
        assert_eq!(execution["trigger"], "scheduled", "{execution}");
        let id = execution["execution"].as_str().unwrap();
        let shown = turbocat.run(&["executions", "show", id, "--json"]).await.success().value();
        ticks.push(shown["trigger_data"]["scheduled_for"].as_str().unwrap_or_default().to_owned());
    }
    // A minute may have passed meanwhile: then there are two ticks, each once.
    let count = ticks.len();
    ticks.sort();
    ticks.dedup();
    assert!((1..=2).contains(&count) && ticks.len() == count, "{all:?}");
}

#[tokio::test]
async fn a_schedule_of_a_workflow_that_needs_an_input_is_refused() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("schedule-input");

    let answer = turbocat.run(&["apply", "-f", &folder.write("needs.yaml", NEEDS_INPUT)]).await.failure();

    assert!(answer.stderr.contains("a schedule starts the workflow with `{}`"), "{}", answer.stderr);
    assert!(answer.stderr.contains("topic"), "{}", answer.stderr);
}
