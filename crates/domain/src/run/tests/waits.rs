//! Waits: timers, events, approvals.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{super::*, driver::Driver};
use crate::execution::ExecutionStatus;

fn waiting(config: Value) -> Driver {
    Driver::start(json!([{ "key": "wait", "type": "wait", "config": config }]))
}

fn signal(run: &mut Driver, payloads: &[Value]) -> bool {
    let step = run.waits["wait"].step;
    run.report(Report::Signalled { step, payloads: payloads.to_vec() }).unwrap()
}

#[test]
fn a_timer_never_fires_early_and_never_twice() {
    let mut run = waiting(json!({ "duration_ms": 1_000 }));
    let wait = run.waits["wait"].clone();
    let until = wait.until.unwrap();
    assert_eq!(until - run.now, TimeDelta::milliseconds(1_000));

    run.now = until - TimeDelta::microseconds(1);
    assert_eq!(run.report(Report::TimerFired { step: wait.step }), Err(TransitionError::Early));
    run.now = until;
    assert_eq!(run.report(Report::TimerFired { step: wait.step }), Ok(true));
    assert_eq!(run.outcome().status, ExecutionStatus::Completed);
    assert_eq!(run.report(Report::TimerFired { step: wait.step }), Err(TransitionError::Ended));
}

#[test]
fn a_wait_until_a_moment_reads_text_and_milliseconds() {
    for moment in [json!("2027-01-15T08:00:10Z"), json!(1_800_000_010_000_i64)] {
        let run = waiting(json!({ "until": moment }));
        assert_eq!(run.waits["wait"].until.unwrap() - run.now, TimeDelta::seconds(10));
    }
}

#[test]
fn a_moment_that_is_none_is_the_steps_error() {
    let run = waiting(json!({ "until": "${{ 'tomorrow' }}" }));

    assert_eq!(run.outcome().error.as_ref().unwrap().code, "not_a_time");
}

#[test]
fn an_event_ends_a_wait_when_its_filter_lets_it() {
    let mut run = waiting(json!({ "event": { "name": "paid", "filter": "event.amount > 10" }, "lookback_ms": 5_000 }));
    let event = run.waits["wait"].event.clone().unwrap();
    assert_eq!((event.name.as_str(), run.now - event.since), ("paid", TimeDelta::milliseconds(5_000)));

    assert!(!signal(&mut run, &[json!({ "amount": 5 })]));
    assert!(signal(&mut run, &[json!({ "amount": 5 }), json!({ "amount": 50 })]));

    assert_eq!(run.outcome().output, json!({ "amount": 50 }));
}

#[test]
fn an_event_that_does_not_come_in_time_fails_the_wait_or_leaves_the_default() {
    for (on_timeout, status, output) in
        [("fail", ExecutionStatus::Failed, json!(null)), ("continue", ExecutionStatus::Completed, json!("none"))]
    {
        let mut run = waiting(json!({
            "event": { "name": "paid" }, "timeout_ms": 10, "on_timeout": on_timeout, "default": "none",
        }));
        let wait = run.waits["wait"].clone();
        run.now = wait.until.unwrap();
        run.report(Report::TimerFired { step: wait.step }).unwrap();
        assert_eq!((run.outcome().status, &run.outcome().output), (status, &output), "{on_timeout}");
    }
}

#[test]
fn an_approval_needs_so_many_different_approvers_and_one_refusal_decides() {
    let yes = |by: &str| json!({ "approved": true, "by": by });
    let rules = json!({ "approval": { "approvers": ["a", "b"], "min_approvals": 2 } });

    let mut run = waiting(rules.clone());
    assert_eq!(run.waits["wait"].event.as_ref().unwrap().name, AwaitedEvent::APPROVAL);
    assert!(!signal(&mut run, &[yes("a"), yes("a")]), "the same person twice is one approval");
    assert!(signal(&mut run, &[yes("a"), yes("a"), yes("b")]));
    assert_eq!(run.outcome().output, yes("b"));

    let mut run = waiting(rules);
    let no = json!({ "approved": false, "by": "b" });
    assert!(signal(&mut run, &[yes("a"), no.clone()]));
    assert_eq!(run.outcome().output, no);
}
