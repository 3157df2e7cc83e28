//! The rules of a run, by small workflows that are driven by hand. After each step of a driver the run is
//! rebuilt from its records alone and must be equal.

mod containers;
mod driver;
mod joins;
mod property;
mod waits;

use serde_json::json;

use self::driver::{Driver, agent, permanent, plan_of, transient};
use super::*;
use crate::{execution::ExecutionStatus, step_run::StepError};

#[test]
fn the_variables_of_a_deployment_are_env_and_no_part_of_what_started_it() {
    let inputs = json!({ "region": "${{ env.REGION }}", "token": "${{ env.TOKEN }}", "by": "${{ trigger.data }}" });
    let plan = plan_of(&json!({ "name": "w", "steps": [agent("a", &[], inputs)] }));
    let token = json!({ "$secret": "API" });
    let data = json!({ "source": "http", "env": { "REGION": "eu", "TOKEN": token }, "allocated": {} });

    let run = Driver::started_by(plan, json!({}), data);

    assert_eq!(run.inputs("a"), json!({ "region": "eu", "token": token, "by": { "source": "http" } }));
}

#[test]
fn inputs_may_be_one_expression_that_gives_an_object() {
    let run = Driver::start(json!([agent("a", &[], json!("${{ input }}"))]));
    assert_eq!(run.inputs("a"), json!({ "n": 1, "list": [1, 2, 3] }));

    let run = Driver::start(json!([agent("a", &[], json!("${{ input.list }}"))]));
    assert_eq!(run.outcome().error.as_ref().unwrap().code, "input_invalid");
}

#[test]
fn a_chain_runs_in_order_and_its_output_is_that_of_the_last_step() {
    let mut run = Driver::start(json!([
        agent("a", &[], json!({ "n": "${{ input.n }}" })),
        agent("b", &["a"], json!({ "n": "${{ steps.a.output.n + 1 }}" })),
    ]));

    assert_eq!(run.started(), ["a"]);
    assert_eq!(run.inputs("a"), json!({ "n": 1 }));
    run.succeed("a", json!({ "n": 41 }));
    assert_eq!(run.started(), ["b"]);
    assert_eq!(run.inputs("b"), json!({ "n": 42 }));
    run.succeed("b", json!("done"));

    let outcome = run.outcome();
    assert_eq!((outcome.status, &outcome.output), (ExecutionStatus::Completed, &json!("done")));
    assert_eq!((outcome.steps_completed, outcome.steps_failed), (2, 0));
}

#[test]
fn the_outputs_mapping_decides_what_is_kept_and_the_output_mapping_what_is_returned() {
    let mut run = Driver::of(json!({
        "name": "w",
        "output": { "hits": "${{ steps.a.output.hits }}" },
        "steps": [{ "key": "a", "type": "agent", "agent": "x", "outputs": { "hits": "${{ output.results }}" } }],
    }));

    run.succeed("a", json!({ "results": [1, 2], "noise": "…" }));

    assert_eq!(run.outcome().output, json!({ "hits": [1, 2] }));
    assert_eq!(run.ended("a"), "completed");
}

#[test]
fn a_retryable_failure_is_tried_again_after_a_growing_delay_with_the_same_inputs() {
    let mut step = agent("a", &[], json!({ "n": "${{ input.n }}" }));
    step["retry_count"] = json!(2);
    step["retry_delay_ms"] = json!(100);
    step["config"] = json!({ "jitter": false });
    let mut run = Driver::start(json!([step]));

    run.fail("a", transient("http_status"));
    assert_eq!((run.attempt("a"), run.delay_ms("a")), (2, 100));
    assert_eq!(run.inputs("a"), json!({ "n": 1 }));
    run.fail("a", StepError { retry_after_ms: Some(5_000), ..transient("http_status") });
    assert_eq!((run.attempt("a"), run.delay_ms("a")), (3, 5_000));
    run.fail("a", transient("http_status"));

    let outcome = run.outcome();
    assert_eq!(outcome.status, ExecutionStatus::Failed);
    assert_eq!(outcome.error.as_ref().map(|error| error.code.as_str()), Some("http_status"));
    assert_eq!(run.records("a").len(), 3, "each attempt has its record");
}

#[test]
fn a_failure_that_another_attempt_cannot_mend_is_not_tried_again() {
    let mut step = agent("a", &[], json!({}));
    step["retry_count"] = json!(5);
    let mut run = Driver::start(json!([step]));

    run.fail("a", permanent("invalid_input"));

    assert_eq!(run.outcome().status, ExecutionStatus::Failed);
}

#[test]
fn on_error_retry_means_three_retries_when_no_count_is_given() {
    let mut step = agent("a", &[], json!({}));
    step["on_error"] = json!("retry");
    let mut run = Driver::start(json!([step]));

    for attempt in 1..=3 {
        run.fail("a", transient("timeout"));
        assert_eq!(run.attempt("a"), attempt + 1);
    }
    run.fail("a", transient("timeout"));

    assert_eq!(run.outcome().status, ExecutionStatus::Failed);
}

#[test]
fn a_decisive_failure_interrupts_what_runs_and_skips_the_rest() {
    let mut run = Driver::start(json!([
        agent("bad", &[], json!({})),
        agent("busy", &[], json!({})),
        agent("later", &["busy"], json!({})),
    ]));

    run.fail("bad", permanent("crashed"));

    assert_eq!(run.interrupted(), ["busy"]);
    assert_eq!([run.ended("bad"), run.ended("busy"), run.ended("later")], ["failed", "cancelled", "cancelled"]);
    let outcome = run.outcome();
    assert_eq!(outcome.error.as_ref().and_then(|error| error.origin.as_deref()), Some("bad"));
    assert_eq!((outcome.steps_completed, outcome.steps_failed), (0, 1));
}

#[test]
fn a_failure_with_on_error_continue_is_seen_by_what_follows() {
    let mut bad = agent("bad", &[], json!({}));
    bad["on_error"] = json!("continue");
    let mut run = Driver::start(json!([
        bad,
        agent("after", &["bad"], json!({ "why": "${{ steps.bad.error.code }}", "got": "${{ steps.bad.output }}" })),
    ]));

    run.fail("bad", permanent("http_status"));

    assert_eq!(run.inputs("after"), json!({ "why": "http_status", "got": null }));
    run.succeed("after", json!(1));
    let outcome = run.outcome();
    assert_eq!((outcome.status, outcome.steps_failed), (ExecutionStatus::Completed, 1));
}

#[test]
fn an_expression_that_fails_is_the_steps_error_and_is_not_tried_again() {
    let mut step = agent("a", &[], json!({ "x": "${{ input.missing.deeper }}" }));
    step["retry_count"] = json!(3);
    let run = Driver::start(json!([step]));

    let outcome = run.outcome();
    assert_eq!(outcome.error.as_ref().map(|error| error.code.as_str()), Some("expression_failed"));
    assert!(outcome.error.as_ref().is_some_and(|error| error.message.contains("inputs")));
}

#[test]
fn no_more_agents_run_at_once_than_the_workflow_allows() {
    let steps: Vec<_> = (0..5).map(|n| agent(&format!("s{n}"), &[], json!({}))).collect();
    let mut run = Driver::of(json!({ "name": "w", "settings": { "max_parallel_steps": 2 }, "steps": steps }));

    assert_eq!(run.started(), ["s0", "s1"]);
    run.succeed("s1", json!(1));
    assert_eq!(run.started(), ["s0", "s2"]);
}

#[test]
fn nul_bytes_in_an_answer_are_replaced_and_an_answer_that_is_too_large_is_an_error() {
    let mut run = Driver::start(json!([agent("a", &[], json!({}))]));
    run.succeed("a", json!("x\u{0}y"));
    assert_eq!(run.outcome().output, json!("x\u{fffd}y"));

    let mut run = Driver::start(json!([agent("a", &[], json!({}))]));
    run.succeed("a", json!("x".repeat(5 << 20)));
    assert_eq!(run.outcome().error.as_ref().map(|error| error.code.as_str()), Some("output_too_large"));
}

#[test]
fn a_cancel_ends_everything_once() {
    let mut run = Driver::start(json!([agent("a", &[], json!({})), agent("b", &["a"], json!({}))]));

    run.apply(&Event::CancelRequested);

    assert_eq!(run.outcome().status, ExecutionStatus::Cancelled);
    assert_eq!(run.interrupted(), ["a"]);
    assert_eq!(run.try_apply(&Event::CancelRequested), Err(TransitionError::Ended));
}

#[test]
fn a_run_that_takes_too_long_ends_as_timeout() {
    let mut run = Driver::start(json!([agent("a", &[], json!({}))]));

    run.apply(&Event::DeadlinePassed);

    assert_eq!(run.outcome().status, ExecutionStatus::Timeout);
}

#[test]
fn a_late_answer_of_an_earlier_attempt_changes_nothing() {
    let mut step = agent("a", &[], json!({}));
    step["retry_count"] = json!(1);
    let mut run = Driver::start(json!([step]));
    let first = run.address("a");
    run.fail("a", transient("timeout"));

    let late = Event::StepSucceeded { step: first, attempt: 1, output: std::sync::Arc::new(json!(1)) };

    assert_eq!(run.try_apply(&late), Err(TransitionError::Stale));
    assert_eq!(run.attempt("a"), 2);
}
