//! Joins, conditions and skips.

use serde_json::{Value, json};

use super::driver::{Driver, agent, permanent};

fn joined(join: &str) -> Value {
    let mut step = agent("end", &["left", "right"], json!({}));
    step["join"] = json!(join);
    step
}

/// Runs `left` and `right` to these ends and returns how `end`, which depends on both, ended or `runs`.
fn join_of(join: &str, left: &str, right: &str) -> String {
    let branch = |key: &str, end: &str| {
        let mut step = agent(key, &[], json!({}));
        step["on_error"] = json!("continue");
        if end == "skipped" {
            step["if"] = json!("false");
        }
        step
    };
    let mut run = Driver::start(json!([branch("left", left), branch("right", right), joined(join)]));
    for (key, end) in [("left", left), ("right", right)] {
        match end {
            "completed" => run.succeed(key, json!(1)),
            "failed" => run.fail(key, permanent("x")),
            _ => {}
        }
    }
    if run.started() == ["end"] { "runs".to_owned() } else { run.ended("end").to_owned() }
}

#[test]
fn each_join_rule_holds_for_each_pair_of_ends() {
    let skipped = "dependency_skipped";
    // A failure that lets the run go on counts as completed.
    let table = [
        ("all_success", ["runs", "runs", skipped, skipped]),
        ("all_done", ["runs", "runs", "runs", "runs"]),
        ("one_success", ["runs", "runs", "runs", skipped]),
        ("none_failed", ["runs", "runs", "runs", skipped]),
    ];
    for (join, expected) in table {
        let pairs =
            [("completed", "completed"), ("completed", "failed"), ("completed", "skipped"), ("skipped", "skipped")];
        for ((left, right), expected) in pairs.into_iter().zip(expected) {
            assert_eq!(join_of(join, left, right), expected, "{join} of {left} and {right}");
            assert_eq!(join_of(join, right, left), expected, "{join} of {right} and {left}");
        }
    }
}

fn condition(test: &Value) -> Value {
    let mut steps = json!([
        agent("first", &[], json!({})),
        { "key": "choose", "type": "condition", "depends_on": ["first"], "config": test },
        agent("yes", &["choose"], json!({})),
        agent("no", &["choose"], json!({})),
        agent("strict", &["first", "no"], json!({})),
        agent("end", &["yes", "no"], json!({})),
    ]);
    steps[5]["join"] = json!("none_failed");
    steps
}

#[test]
fn a_condition_skips_the_branch_that_it_does_not_take() {
    let test = json!({ "if": "steps.first.output > 1", "then": ["yes"], "else": ["no"] });
    let mut run = Driver::start(condition(&test));

    run.succeed("first", json!(2));

    assert_eq!(run.started(), ["yes"]);
    let ends = [run.ended("choose"), run.ended("no"), run.ended("strict")];
    assert_eq!(ends, ["completed", "condition_unmet", "dependency_skipped"]);
    run.succeed("yes", json!(1));
    assert_eq!(run.started(), ["end"]);
}

#[test]
fn a_switch_takes_the_case_of_its_value_or_the_default() {
    let test = json!({ "switch": "steps.first.output", "cases": { "7": ["yes"] }, "default": ["no"] });
    for (value, started) in [(json!(7), "yes"), (json!("7"), "yes"), (json!("else"), "no"), (json!(null), "no")] {
        let mut run = Driver::start(condition(&test));
        run.succeed("first", value.clone());
        assert_eq!(run.started(), [started], "{value}");
    }
}

#[test]
fn a_condition_that_cannot_be_computed_fails_with_its_reason() {
    let test = json!({ "if": "steps.first.output.missing > 1", "then": ["yes"], "else": ["no"] });
    let mut run = Driver::start(condition(&test));

    run.succeed("first", json!({}));

    let error = run.outcome().error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.origin.as_deref()), ("expression_failed", Some("choose")));
}

#[test]
fn a_step_whose_if_is_false_is_skipped() {
    let mut step = agent("a", &[], json!({}));
    step["if"] = json!("input.n > 1");
    let run = Driver::start(json!([step]));

    assert_eq!(run.ended("a"), "if_false");
    assert_eq!(run.outcome().steps_completed, 0);
}

#[test]
fn a_step_that_a_condition_names_waits_for_the_condition_even_without_a_dependency() {
    let mut steps = condition(&json!({ "if": "true", "then": ["yes"], "else": ["no"] }));
    steps[2]["depends_on"] = json!([]);
    let run = Driver::start(steps);

    assert_eq!(run.started(), ["first"]);
}
