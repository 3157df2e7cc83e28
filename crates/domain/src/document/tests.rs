//! What a document may say, and what it may not: each rule of the language.

mod canonical;
mod fuzz;
mod names;
mod rules;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::id::{AgentId, WorkflowId, WorkflowStepId};

/// A step that runs an agent.
fn agent(key: &str, depends_on: &[&str]) -> Value {
    json!({"key": key, "type": "agent", "agent": "a", "depends_on": depends_on})
}

/// A loop over one item.
fn container(key: &str, body: &[&str]) -> Value {
    json!({"key": key, "type": "loop", "config": {"items": [1], "max_iterations": 2, "body": body}})
}

/// A document of these steps.
fn of(steps: &Value) -> Value {
    json!({"name": "w", "steps": steps})
}

fn parse(source: &Value) -> Document {
    Document::parse(source).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems of a document, as `code path`.
fn found(source: &Value) -> Vec<String> {
    let problems = Document::parse(source).err().unwrap_or_default();
    problems.iter().map(|problem| format!("{} {}", problem.code, problem.path)).collect()
}

/// The message of the only problem of a document.
fn message(source: &Value) -> String {
    let problems = Document::parse(source).expect_err("it is wrong");
    assert_eq!(problems.len(), 1, "{problems}");
    problems.0[0].message.clone()
}

/// One document with everything that the language has.
fn everything() -> Value {
    serde_json::from_str(include_str!("tests/everything.json")).unwrap()
}

/// The document above, without the slip that a hyphen is in a key.
fn valid() -> Value {
    let mut document = everything();
    document["steps"][5]["config"]["while"] = json!("iteration == 1 || steps.retry.output == null");
    document
}

#[test]
fn the_whole_language_is_understood() {
    let document = parse(&valid());

    assert_eq!(document.name().as_str(), "research-report");
    assert_eq!(document.tags().iter().map(Tag::as_str).collect::<Vec<_>>(), ["demo", "research"]);
    assert_eq!(document.steps().len(), 19);
    assert_eq!(document.settings().max_parallel_steps, 8);
    assert_eq!(document.agent_names().into_iter().collect::<Vec<_>>(), ["http", "llm", "web-search"]);
    assert_eq!(found(&everything()), ["expression_invalid steps[5].config.while"]);
}

#[test]
fn what_is_not_acted_on_yet_is_told() {
    let paths = |document: &Document| document.unsupported().into_iter().map(|(path, _)| path).collect::<Vec<_>>();

    assert_eq!(paths(&parse(&valid())), ["settings.concurrency"]);
    assert!(paths(&parse(&of(&json!([agent("a", &[])])))).is_empty());
}

#[test]
fn what_is_not_written_is_as_it_is_by_default() {
    let document = parse(&of(&json!([agent("a", &[])])));

    assert_eq!(
        document.settings(),
        &Settings {
            timeout_ms: 3_600_000,
            max_parallel_steps: 16,
            concurrency: None,
            on_failure: None,
            budget: Vec::new()
        }
    );
    let step = &document.steps()[0];
    let StepAction::Agent(agent) = &step.action else { panic!("an agent") };
    assert_eq!((agent.retry_count, agent.retry_delay_ms, agent.timeout_ms, agent.jitter), (0, 1_000, 30_000, true));
    assert_eq!(step.name.as_str(), "a");
}

#[test]
fn ten_mistakes_are_ten_problems_each_in_its_place() {
    let document = json!({
        "name": "w",
        "desription": "a slip",
        "settings": {"timeout_ms": "soon"},
        "triggers": {"schedule": {"cron": "0 0 30 2 *"}},
        "output": "${{ steps.gone.output }}",
        "steps": [
            {"key": "a", "type": "agent", "agent": "x", "depends_on": ["b", "a"]},
            {"key": "b", "type": "agent", "depends_on": ["a"], "inputs": {"query": ["${{ inptu.q }}"]}},
            {"key": "c", "type": "loop", "config": {"items": [], "body": ["d"]}},
            {"key": "d", "type": "agent", "agent": "x", "depends_on": ["b"], "retry_count": 21}
        ]
    });

    assert_eq!(
        found(&document),
        [
            "wrong_type settings.timeout_ms",
            "invalid_value triggers.schedule.cron",
            "missing_key steps[1]",
            "loop_without_bound steps[2].config",
            "out_of_range steps[3].retry_count",
            "unknown_key desription",
            "dependency_on_itself steps[0].depends_on",
            "dependency_across_body steps[3].depends_on",
            "dag_cycle steps[0].depends_on",
            "unknown_step output",
            "expression_invalid steps[1].inputs.query[0]",
        ]
    );
}

#[test]
fn rows_hold_what_the_document_says() {
    let document = parse(&valid());
    let agent_id = AgentId::from_uuid(uuid::Uuid::from_u128(7));
    let agents = BTreeMap::from([("web-search".to_owned(), agent_id)]);
    let rows = StepRows {
        workflow_id: WorkflowId::from_uuid(uuid::Uuid::from_u128(1)),
        agents: &agents,
        now: chrono::DateTime::UNIX_EPOCH,
    };
    let mut next = 0;
    let mut ids = || {
        next += 1;
        WorkflowStepId::from_uuid(uuid::Uuid::from_u128(next))
    };

    let steps = document.to_steps(rows, &mut ids);

    assert_eq!(steps.len(), 19);
    assert_eq!((steps[0].agent_id, steps[3].agent_id), (Some(agent_id), None));
    assert_eq!((steps[0].retry_count, steps[0].retry_delay_ms, steps[0].timeout_ms), (3, 500, 30_000));
    assert_eq!(steps[0].config, json!({"backoff": "fixed", "jitter": false, "guard": "size(input.topic) > 0"}));
    assert_eq!(steps[0].outputs, json!({"hits": "${{ output.results }}"}));
    assert_eq!(steps[7].config["join"], json!("none_failed"));
    assert_eq!(steps[1].config["if"], json!("size(steps.search.output.hits) > 2"));
    assert!(
        steps.iter().zip(0..).all(|(step, position)| step.position == position && step.workflow_id == rows.workflow_id)
    );
}
