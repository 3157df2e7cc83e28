//! What follows a failure.

use std::time::Duration;

use serde_json::{Value, json};
use turbocat_domain::{
    execution::{Execution, ExecutionStatus, TriggerType},
    id::ExecutionId,
    port::{ExecutionAcceptor, ExecutionFilter, NewExecution, PageRequest},
    step_run::StepError,
};
use turbocat_testkit::runner::{Answer, ScriptedRunner};

use crate::world::{World, chain, pass};

/// A workflow of one step that fails if its key says so, and is followed by another workflow.
fn followed(name: &str, step: &str, by: &str) -> Value {
    json!({
        "name": name,
        "settings": { "on_failure": by },
        "steps": [{ "key": step, "type": "agent", "retry_count": 0 }],
    })
}

fn bad(code: &'static str) -> ScriptedRunner {
    let bad = move |_: &_| Answer::Fail(StepError::permanent(code, "no"));
    ScriptedRunner::new().path("bad", bad).path("hangs", |_| Answer::Hang)
}

/// All executions but this one.
async fn others(world: &World, id: ExecutionId) -> Vec<Execution> {
    let all = world.store.queries().executions();
    let page = all.list(&ExecutionFilter::default(), PageRequest { limit: 200, after: None }).await.unwrap();
    page.items.into_iter().filter(|execution| execution.id != id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_workflow_that_follows_it_with_what_is_known() {
    let mut world = World::new().await;
    world.workflow(chain("tell", 1)).await;
    let workflow = world.workflow(followed("fails", "bad", "tell")).await;
    let engine = world.engine(bad("no_such_thing")).await;
    let id = world.start(&engine.handle(), workflow, json!({ "order": 7 })).await;
    assert_eq!(world.ended(id).await.status, ExecutionStatus::Failed);

    let [follower] = others(&world, id).await.try_into().expect("one follows");
    let follower = world.completed(follower.id).await;
    assert_eq!((follower.trigger_type, follower.parent.clone(), follower.depth), (TriggerType::Event, None, 0));
    assert_eq!(follower.trigger_data, json!({ "on_failure": id.as_uuid() }));
    let input = &follower.input_data;
    assert_eq!((&input["id"], &input["status"]), (&json!(id.to_string()), &json!("failed")));
    assert_eq!((&input["error"]["code"], &input["input"]), (&json!("no_such_thing"), &json!({ "order": 7 })));
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_took_too_long_is_followed_too() {
    let mut world = World::new().await;
    world.workflow(chain("tell", 1)).await;
    let workflow = world.workflow(followed("slow", "hangs", "tell")).await;
    let engine = world.engine(bad("x")).await;
    let new = NewExecution { timeout_ms: 5_000, ..world.execution(workflow, json!({})) };
    let id = new.id;
    engine.handle().accept(vec![new]).await.unwrap();
    assert_eq!(world.ended(id).await.status, ExecutionStatus::Timeout);

    let [follower] = others(&world, id).await.try_into().expect("one follows");
    assert_eq!(world.completed(follower.id).await.input_data["status"], json!("timeout"));
}

#[tokio::test(start_paused = true)]
async fn what_completes_or_is_cancelled_is_not_followed() {
    let mut world = World::new().await;
    world.workflow(chain("tell", 1)).await;
    let good = world.workflow(followed("good", "s0", "tell")).await;
    let slow = world.workflow(followed("slow", "hangs", "tell")).await;
    let engine = world.engine(bad("x")).await;
    let completes = world.start(&engine.handle(), good, json!({})).await;
    world.completed(completes).await;
    let id = world.start(&engine.handle(), slow, json!({})).await;
    world.cancel(id).await;
    engine.handle().wake();
    assert_eq!(world.ended(id).await.status, ExecutionStatus::Cancelled);
    pass(5_000).await;
    assert_eq!(others(&world, id).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_workflows_that_follow_each_other_end() {
    let mut world = World::new().await;
    let first = world.workflow(followed("first", "bad", "second")).await;
    world.workflow(followed("second", "bad", "first")).await;
    let engine = world.engine(bad("x")).await;
    let id = world.start(&engine.handle(), first, json!({})).await;
    world.ended(id).await;
    let [follower] = others(&world, id).await.try_into().expect("one follows");
    assert_eq!(world.ended(follower.id).await.status, ExecutionStatus::Failed);
    pass(10_000).await;
    assert_eq!(others(&world, id).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_workflow_keeps_no_execution_from_its_end() {
    let mut world = World::new().await;
    let workflow = world.workflow(followed("fails", "bad", "nobody")).await;
    let engine = world.engine(bad("x")).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("x"));
    assert!(others(&world, id).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_followed_once_if_its_worker_dies_before_its_end() {
    let mut world = World::new().await;
    world.workflow(chain("tell", 1)).await;
    let workflow = world.workflow(followed("fails", "bad", "tell")).await;
    let late = || {
        let bad = |_: &_| Answer::After(Duration::from_secs(1), Err(StepError::permanent("x", "no")));
        ScriptedRunner::new().path("bad", bad)
    };
    let engine = world.engine(late()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    *world.store.refused.lock().unwrap() = Some("queue.insert");
    pass(5_000).await;
    assert!(world.store.calls(Some("queue.insert")) > 2);
    assert_eq!(world.get(id).await.status, ExecutionStatus::Running, "its end waits for what follows it");

    drop(engine);
    // What the dead worker still tries is over.
    pass(5_000).await;
    assert!(others(&world, id).await.is_empty());
    *world.store.refused.lock().unwrap() = None;
    let _next = world.engine(late()).await;
    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("x"));
    let [follower] = others(&world, id).await.try_into().expect("one follows");
    world.completed(follower.id).await;
}
