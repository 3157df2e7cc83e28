//! Executions that start executions.

use std::time::Duration;

use serde_json::{Value, json};
use turbocat_domain::{execution::ExecutionStatus, port::ExecutionFilter};
use turbocat_testkit::runner::{Answer, CallState, ScriptedRunner};

use crate::world::{World, chain, pass};

async fn parent_of(world: &mut World, child: &str, step: Value) -> turbocat_domain::id::WorkflowId {
    world.workflow_agent("call", child).await;
    let mut step = step;
    step["key"] = json!("call");
    step["type"] = json!("agent");
    step["agent"] = json!("call");
    world.workflow(json!({ "name": "parent", "steps": [step] })).await
}

async fn child_of(world: &World, parent: turbocat_domain::id::ExecutionId) -> turbocat_domain::execution::Execution {
    let all = world.store.queries().executions();
    let page = all.list(&ExecutionFilter::default(), turbocat_domain::port::PageRequest::default()).await.unwrap();
    let child = page.items.into_iter().find(|execution| execution.parent.as_ref().is_some_and(|(id, _)| *id == parent));
    world.get(child.expect("it has a child").id).await
}

#[tokio::test(start_paused = true)]
async fn the_output_of_a_child_is_the_answer_of_its_step() {
    let mut world = World::new().await;
    let mut child = chain("child", 1);
    child["steps"][0]["inputs"] = json!({ "topic": "${{ input.topic }}" });
    world.workflow(child).await;
    let workflow = parent_of(&mut world, "child", json!({ "inputs": { "topic": "cats" } })).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.completed(id).await;
    assert_eq!(execution.output_data, json!({ "topic": "cats" }));
    assert!(execution.duration_ms.unwrap() < 1_000, "{execution:?}");
    let child = child_of(&world, id).await;
    assert_eq!((child.depth, child.parent), (1, Some((id, "call".to_owned()))));
}

#[tokio::test(start_paused = true)]
async fn a_parent_leaves_memory_while_its_child_takes_long() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let workflow = parent_of(&mut world, "child", json!({})).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::After(Duration::from_secs(20), Ok(json!("late"))));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(10_000).await;
    assert_eq!(engine.handle().held(), 1);

    let execution = world.completed(id).await;
    assert_eq!(execution.output_data, json!("late"));
    assert!(execution.duration_ms.unwrap() < 23_000, "{execution:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_parent_takes_its_child_with_it() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let workflow = parent_of(&mut world, "child", json!({})).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    // Long enough for the parent to be parked.
    pass(20_000).await;
    world.cancel(id).await;
    engine.handle().wake();

    assert_eq!(world.ended(id).await.status, ExecutionStatus::Cancelled);
    pass(3_000).await;
    assert_eq!(child_of(&world, id).await.status, ExecutionStatus::Cancelled);
    assert_eq!(runner.ledger()[0].state, CallState::Dropped);
}

#[tokio::test(start_paused = true)]
async fn a_failed_child_fails_its_step_with_its_error() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let workflow = parent_of(&mut world, "child", json!({})).await;
    let runner = ScriptedRunner::new().path("s0", |_| turbocat_domain::step_run::StepError::permanent("bad", "no"));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("bad"));
}

#[tokio::test(start_paused = true)]
async fn inputs_that_the_child_does_not_take_are_refused_before_it_is_there() {
    let mut world = World::new().await;
    let mut child = chain("child", 1);
    child["input"] = json!({ "type": "object", "required": ["topic"] });
    world.workflow(child).await;
    let workflow = parent_of(&mut world, "child", json!({ "retry_count": 3 })).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!(execution.error_code.as_deref(), Some("invalid_input"), "{execution:?}");
    assert!(execution.error_message.unwrap().contains("`/topic` is missing"));
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_calls_itself_ends_at_the_depth_limit() {
    let mut world = World::new().await;
    let workflow = parent_of(&mut world, "parent", json!({})).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("call_depth"));
    let all = world.store.queries().executions();
    let page = all.list(&ExecutionFilter::default(), turbocat_domain::port::PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_is_not_there_fails_the_step() {
    let mut world = World::new().await;
    let workflow = parent_of(&mut world, "nowhere", json!({})).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("workflow_not_found"));
}
