//! Loops and parallel steps.

use serde_json::{Value, json};

use super::driver::{Driver, agent, permanent};
use crate::execution::ExecutionStatus;

fn container(kind: &str, config: Value) -> Value {
    json!([{ "key": "box", "type": kind, "config": config }, agent("work", &[], json!({ "item": "${{ item }}" }))])
}

fn map(extra: &Value) -> Value {
    let mut config = json!({ "items": "${{ input.list }}", "body": ["work"] });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    container("parallel", config)
}

#[test]
fn a_loop_runs_its_body_once_an_item_in_order() {
    let config = json!({ "items": "${{ input.list }}", "max_iterations": 10, "body": ["work"] });
    let mut run = Driver::start(container("loop", config));

    for number in 0..3 {
        let path = format!("box[{number}].work");
        assert_eq!(run.started(), [path.as_str()]);
        assert_eq!(run.inputs(&path), json!({ "item": number + 1 }));
        run.succeed(&path, json!(number * 10));
    }

    assert_eq!(run.outcome().output, json!({ "iterations": 3, "results": [0, 10, 20] }));
    assert_eq!(run.outcome().steps_completed, 1, "a container counts as one");
}

#[test]
fn a_loop_ends_when_break_if_is_true() {
    let config = json!({
        "items": "${{ input.list }}", "max_iterations": 10, "body": ["work"], "break_if": "steps.work.output == 'stop'",
    });
    let mut run = Driver::start(container("loop", config));

    run.succeed("box[0].work", json!("go"));
    run.succeed("box[1].work", json!("stop"));

    assert_eq!(run.outcome().output, json!({ "iterations": 2, "results": ["go", "stop"] }));
}

#[test]
fn a_while_loop_is_checked_before_each_round_and_fails_past_its_bound() {
    let steps = |bound: u32| {
        let test = "iteration == 1 || steps.work.output < 2";
        let mut steps = container("loop", json!({ "while": test, "max_iterations": bound, "body": ["work"] }));
        steps[1]["inputs"] = json!({ "round": "${{ iteration }}", "index": "${{ index }}" });
        steps
    };
    let mut run = Driver::start(steps(5));
    run.succeed("box[0].work", json!(1));
    assert_eq!(run.inputs("box[1].work"), json!({ "round": 2, "index": 1 }));
    run.succeed("box[1].work", json!(2));
    assert_eq!(run.outcome().output["iterations"], json!(2));

    let mut run = Driver::start(steps(1));
    run.succeed("box[0].work", json!(1));
    assert_eq!(run.outcome().error.as_ref().map(|error| error.code.as_str()), Some("loop_limit"));
}

#[test]
fn a_map_runs_its_items_side_by_side_and_keeps_their_order() {
    let mut run = Driver::start(map(&json!({ "max_concurrency": 2 })));

    assert_eq!(run.started(), ["box[0].work", "box[1].work"]);
    run.succeed("box[1].work", json!("b"));
    assert_eq!(run.started(), ["box[0].work", "box[2].work"]);
    run.succeed("box[2].work", json!("c"));
    run.succeed("box[0].work", json!("a"));

    assert_eq!(run.outcome().output, json!(["a", "b", "c"]));
}

#[test]
fn a_map_over_nothing_completes_at_once() {
    let mut steps = map(&json!({}));
    steps[0]["config"]["items"] = json!([]);

    assert_eq!(Driver::start(steps).outcome().output, json!([]));
}

#[test]
fn items_that_are_not_a_list_are_the_steps_error() {
    let mut steps = map(&json!({}));
    steps[0]["config"]["items"] = json!("${{ input.n }}");

    assert_eq!(Driver::start(steps).outcome().error.as_ref().unwrap().code, "items_not_a_list");
}

#[test]
fn a_failed_item_fails_the_map_leaves_null_or_is_dropped() {
    for (policy, output) in [("null", json!(["a", null, "c"])), ("drop", json!(["a", "c"]))] {
        let mut run = Driver::start(map(&json!({ "on_item_error": policy })));
        run.succeed("box[0].work", json!("a"));
        run.fail("box[1].work", permanent("x"));
        run.succeed("box[2].work", json!("c"));
        assert_eq!(run.outcome().output, output, "{policy}");
    }

    let mut run = Driver::start(map(&json!({ "on_item_error": "fail" })));
    run.fail("box[1].work", permanent("x"));
    assert_eq!(run.interrupted(), ["box[0].work", "box[2].work"]);
    let outcome = run.outcome();
    assert_eq!(outcome.status, ExecutionStatus::Failed);
    assert_eq!(outcome.error.as_ref().unwrap().origin.as_deref(), Some("box[1].work"));
    assert_eq!(run.ended("box"), "failed");
}

#[test]
fn a_map_that_waits_for_any_cancels_the_others() {
    let mut run = Driver::start(map(&json!({ "wait_for": "any" })));

    run.succeed("box[1].work", json!("first"));

    assert_eq!(run.interrupted(), ["box[0].work", "box[2].work"]);
    assert_eq!(run.outcome().output, json!(["first"]));
}

#[test]
fn branches_run_side_by_side_and_give_their_outputs_by_name() {
    let steps = json!([
        { "key": "fan", "type": "parallel", "config": { "branches": { "left": ["check", "sign"], "right": ["other"] } } },
        agent("check", &[], json!({})),
        agent("sign", &["check"], json!({ "of": "${{ steps.check.output }}" })),
        agent("other", &[], json!({})),
        agent("end", &["fan"], json!({ "fan": "${{ steps.fan.output }}" })),
    ]);
    let mut run = Driver::start(steps);

    assert_eq!(run.started(), ["fan.left.check", "fan.right.other"]);
    run.succeed("fan.left.check", json!("c"));
    assert_eq!(run.inputs("fan.left.sign"), json!({ "of": "c" }));
    run.succeed("fan.right.other", json!("o"));
    run.succeed("fan.left.sign", json!("s"));

    assert_eq!(run.inputs("end"), json!({ "fan": { "left": "s", "right": "o" } }));
}

#[test]
fn bodies_nest_and_see_the_steps_around_them() {
    let steps = json!([
        agent("before", &[], json!({})),
        { "key": "outer", "type": "parallel", "depends_on": ["before"],
          "config": { "items": "${{ input.list }}", "body": ["inner"], "max_concurrency": 1 } },
        { "key": "inner", "type": "loop", "config": { "items": ["x", "y"], "max_iterations": 2, "body": ["leaf"] } },
        agent("leaf", &[], json!({ "item": "${{ item }}", "i": "${{ index }}", "b": "${{ steps.before.output }}" })),
    ]);
    let mut run = Driver::start(steps);
    run.succeed("before", json!("B"));

    assert_eq!(run.inputs("outer[0].inner[0].leaf"), json!({ "item": "x", "i": 0, "b": "B" }));
    run.succeed("outer[0].inner[0].leaf", json!(1));
    run.succeed("outer[0].inner[1].leaf", json!(2));
    assert_eq!(run.started(), ["outer[1].inner[0].leaf"]);
}

#[test]
fn a_failure_that_a_body_survives_does_not_end_its_container() {
    let mut steps = map(&json!({}));
    steps[1]["on_error"] = json!("continue");
    let mut run = Driver::start(steps);

    for number in 0..3 {
        run.fail(&format!("box[{number}].work"), permanent("x"));
    }

    assert_eq!(run.outcome().output, json!([null, null, null]));
}

#[test]
fn a_loop_of_many_rounds_without_a_side_effect_needs_no_stack() {
    let steps = json!([
        { "key": "box", "type": "loop", "config": { "while": "true", "max_iterations": 10_000, "body": ["choose"] } },
        { "key": "choose", "type": "condition", "config": { "if": "true", "then": [], "else": [] } },
    ]);

    assert_eq!(Driver::start(steps).outcome().error.as_ref().unwrap().code, "loop_limit");
}
