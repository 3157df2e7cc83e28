//! Waits: in memory while they are short, parked while they are long.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    port::{EventQueries, ExecutionAcceptor, NewExecution},
};
use turbocat_testkit::runner::{Answer, CallState, ScriptedRunner};

use crate::world::{World, chain, pass};

fn waiting(name: &str, config: &Value) -> Value {
    json!({ "name": name, "steps": [
        { "key": "wait", "type": "wait", "config": config },
        { "key": "after", "type": "agent", "depends_on": ["wait"], "inputs": { "got": "${{ steps.wait.output }}" } },
    ] })
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_stays_in_memory_and_ends_on_time() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("short", &json!({ "duration_ms": 700 }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(100).await;
    assert_eq!(engine.handle().held(), 1);

    let execution = world.completed(id).await;
    let took = execution.completed_at.unwrap() - execution.started_at.unwrap();
    assert!(took >= TimeDelta::milliseconds(700) && took < TimeDelta::milliseconds(720), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_leaves_memory_and_wakes_on_time_never_early() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("long", &json!({ "duration_ms": 900_000 }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    assert_eq!(engine.handle().held(), 0);

    let execution = world.completed(id).await;
    let took = execution.completed_at.unwrap() - execution.started_at.unwrap();
    assert!(took >= TimeDelta::seconds(900) && took < TimeDelta::milliseconds(900_100), "{took}");
}

#[tokio::test(start_paused = true)]
async fn waits_that_another_process_left_end_on_time_one_close_behind_the_other() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("left", &json!({ "duration_ms": 60_000 }))).await;
    let before = world.engine(ScriptedRunner::new()).await;
    world.store.commit_ms.store(3, std::sync::atomic::Ordering::SeqCst);
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(world.start(&before.handle(), workflow, json!({})).await);
        pass(n * 5 % 13).await;
    }
    pass(5_000).await;
    before.drain(Duration::ZERO).await;
    let _after = world.engine(ScriptedRunner::new()).await;

    let mut latest = TimeDelta::zero();
    for id in ids {
        let execution = world.completed(id).await;
        let took = execution.completed_at.unwrap() - execution.started_at.unwrap();
        assert!(took >= TimeDelta::seconds(60), "{took}");
        latest = latest.max(took - TimeDelta::seconds(60));
    }
    println!("the latest of 50 was {} ms late", latest.num_milliseconds());
    assert!(latest < TimeDelta::milliseconds(50), "{latest}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beside_running_steps_stays_in_memory() {
    let mut world = World::new().await;
    let mut document = waiting("beside", &json!({ "duration_ms": 60_000 }));
    document["steps"].as_array_mut().unwrap().push(json!({ "key": "work", "type": "agent" }));
    let workflow = world.workflow(document).await;
    let runner = ScriptedRunner::new().path("work", |_| Answer::After(Duration::from_secs(20), Ok(Value::Null)));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(10_000).await;
    assert_eq!(engine.handle().held(), 1);
    pass(15_000).await;
    assert_eq!(engine.handle().held(), 0);

    let execution = world.completed(id).await;
    assert!(execution.duration_ms.unwrap() >= 60_000);
}

#[tokio::test(start_paused = true)]
async fn a_long_retry_is_parked_too() {
    let mut world = World::new().await;
    let step = json!({ "key": "a", "type": "agent", "retry_count": 1, "retry_delay_ms": 60_000 });
    let workflow = world.workflow(json!({ "name": "retry", "steps": [step] })).await;
    let failure = turbocat_domain::step_run::StepError::transient("http_status", "busy");
    let runner = ScriptedRunner::new().path("a", move |call| match call.attempt {
        1 => Answer::Fail(failure.clone()),
        _ => Answer::Reply(json!("done")),
    });
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    assert_eq!(engine.handle().held(), 0);

    world.completed(id).await;
    assert_eq!(runner.ledger().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_who_waits_for_it_and_only_if_the_filter_takes_it() {
    let mut world = World::new().await;
    let config = json!({ "event": { "name": "paid", "filter": "event.amount > 10" } });
    let workflow = world.workflow(waiting("event", &config)).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    assert_eq!(engine.handle().held(), 0);

    assert_eq!(world.store.publish(&world.event("paid", json!({ "amount": 5 }), None)).await.unwrap(), 1);
    engine.handle().wake();
    pass(60_000).await;
    assert_eq!(world.get(id).await.status, ExecutionStatus::Running);
    assert_eq!(engine.handle().held(), 0);
    let claims = world.store.calls(Some("queue.claim"));
    pass(60_000).await;
    // The event that was refused does not wake it again and again.
    assert_eq!(world.store.calls(Some("queue.claim")), claims);

    world.store.publish(&world.event("paid", json!({ "amount": 50 }), None)).await.unwrap();
    engine.handle().wake();
    world.completed(id).await;
    assert_eq!(world.outputs(id).await["after"], json!({ "got": { "amount": 50 } }));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_seen_by_a_run_that_does_other_things() {
    let mut world = World::new().await;
    let mut document = waiting("busy", &json!({ "event": { "name": "paid" } }));
    document["steps"].as_array_mut().unwrap().push(json!({ "key": "work", "type": "agent" }));
    let workflow = world.workflow(document).await;
    let runner = ScriptedRunner::new().path("work", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(5_000).await;
    world.store.publish(&world.event("paid", json!(1), None)).await.unwrap();
    pass(3_000).await;

    assert_eq!(world.outputs(id).await["wait"], json!(1));
    assert!(runner.ledger().iter().any(|entry| entry.path == "after"));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_came_before_the_wait_counts_within_its_lookback() {
    let mut world = World::new().await;
    let config = json!({ "event": { "name": "paid" }, "lookback_ms": 60_000 });
    let workflow = world.workflow(waiting("early", &config)).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    world.store.publish(&world.event("paid", json!("early"), None)).await.unwrap();
    pass(30_000).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.completed(id).await;
    assert!(execution.duration_ms.unwrap() < 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_event_may_time_out() {
    let mut world = World::new().await;
    let config = json!({ "event": { "name": "never" }, "timeout_ms": 120_000 });
    let workflow = world.workflow(waiting("never", &config)).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!(execution.error_code.as_deref(), Some("wait_timeout"));
    assert_eq!(execution.duration_ms.map(|ms| ms / 100), Some(1_200));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_what_runs_at_once() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("cancel", 2)).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(10_000).await;
    world.cancel(id).await;
    engine.handle().wake();
    pass(5).await;

    assert_eq!(runner.ledger()[0].state, CallState::Dropped);
    let execution = world.ended(id).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Cancelled, Some("cancelled")));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_what_is_parked() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("parked", &json!({ "duration_ms": 900_000 }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(10_000).await;
    world.cancel(id).await;
    pass(3_000).await;

    assert_eq!(world.get(id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_takes_too_long_times_out() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("late", 1)).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let new = NewExecution { timeout_ms: 4_000, ..world.execution(workflow, json!({})) };
    let id = new.id;
    engine.handle().accept(vec![new]).await.unwrap();

    let execution = world.ended(id).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Timeout, Some("timeout")));
    assert_eq!(execution.duration_ms.map(|ms| ms / 10), Some(400));
    assert_eq!(runner.ledger()[0].state, CallState::Dropped);
}

#[tokio::test(start_paused = true)]
async fn a_parked_execution_times_out_too() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("late", &json!({ "event": { "name": "never" } }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let new = NewExecution { timeout_ms: 60_000, ..world.execution(workflow, json!({})) };
    let id = new.id;
    engine.handle().accept(vec![new]).await.unwrap();

    let execution = world.ended(id).await;
    assert_eq!(execution.status, ExecutionStatus::Timeout);
    assert_eq!(execution.duration_ms.map(|ms| ms / 100), Some(600));
}

#[tokio::test(start_paused = true)]
async fn thousands_of_sleepers_cost_no_memory_and_wake_together() {
    let mut world = World::new().await;
    let workflow = world.workflow(waiting("many", &json!({ "duration_ms": 600_000 }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        let news: Vec<NewExecution> = (0..200).map(|_| world.execution(workflow, json!({}))).collect();
        ids.extend(news.iter().map(|new| new.id));
        engine.handle().accept(news).await.unwrap();
    }
    pass(10_000).await;
    assert_eq!(engine.handle().held(), 0);
    pass(600_000).await;
    for id in ids {
        assert_eq!(world.get(id).await.status, ExecutionStatus::Completed);
    }
}
