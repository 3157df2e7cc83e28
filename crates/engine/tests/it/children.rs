//! Executions that start executions.

use std::time::Duration;

use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution::{Execution, ExecutionStatus},
    id::ExecutionId,
    port::ExecutionFilter,
    step_run::{StepError, StepOutcome, StepRecord},
};
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

async fn child_of(world: &World, parent: ExecutionId) -> Execution {
    let filter = ExecutionFilter { parent: Some(parent), ..ExecutionFilter::default() };
    let all = world.store.queries().executions();
    let page = all.list(&filter, turbocat_domain::port::PageRequest::default()).await.unwrap();
    world.get(page.items.first().expect("it has a child").id).await
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

/// A child that never ends, and a step that fails for good two seconds after it was started.
fn child_and_failure() -> ScriptedRunner {
    let bad = |_: &_| Answer::After(Duration::from_secs(2), Err(StepError::permanent("bad", "no")));
    ScriptedRunner::new().path("s0", |_| Answer::Hang).path("bad", bad)
}

#[tokio::test(start_paused = true)]
async fn a_failed_parent_takes_its_child_with_it() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    world.workflow_agent("call", "child").await;
    let steps = json!([{ "key": "call", "type": "agent", "agent": "call" }, { "key": "bad", "type": "agent" }]);
    let workflow = world.workflow(json!({ "name": "parent", "steps": steps })).await;
    let engine = world.engine(child_and_failure()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("bad"));
    assert!(child_of(&world, id).await.cancel_requested, "before its parent's end");
    assert_eq!(world.ended(child_of(&world, id).await.id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_child_is_cancelled_by_the_next_owner_if_the_worker_of_its_failed_parent_dies_before_it_did() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    world.workflow_agent("call", "child").await;
    let steps = json!([{ "key": "call", "type": "agent", "agent": "call" }, { "key": "bad", "type": "agent" }]);
    let workflow = world.workflow(json!({ "name": "parent", "steps": steps })).await;
    let engine = world.engine(child_and_failure()).await;
    *world.store.refused.lock().unwrap() = Some("queue.request_cancel");
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(5_000).await;
    assert!(world.store.calls(Some("queue.request_cancel")) > 2);
    let failed = |record: &StepRecord| record.path == "bad" && matches!(record.outcome, StepOutcome::Failed(_));
    assert!(world.records(id).await.iter().any(failed), "the failure is durable");
    assert_eq!(world.get(id).await.status, ExecutionStatus::Running, "and the end is not");

    drop(engine);
    // What the dead worker still tries is over.
    pass(5_000).await;
    *world.store.refused.lock().unwrap() = None;
    let _next = world.engine(child_and_failure()).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("bad"));
    assert!(child_of(&world, id).await.cancel_requested, "before its parent's end");
    assert_eq!(world.ended(child_of(&world, id).await.id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_branch_that_lost_is_cancelled_before_the_end_whoever_dies() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    world.workflow_agent("call", "child").await;
    let workflow = world
        .workflow(json!({ "name": "parent", "steps": [
            { "key": "race", "type": "parallel",
              "config": { "branches": { "slow": ["call"], "quick": ["quick"] }, "wait_for": "any" } },
            { "key": "call", "type": "agent", "agent": "call" },
            { "key": "quick", "type": "agent" },
            { "key": "sleep", "type": "wait", "depends_on": ["race"], "config": { "duration_ms": 30_000 } }
        ] }))
        .await;
    let quick = |_: &_| Answer::After(Duration::from_secs(1), Ok(json!(1)));
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Hang).path("race.quick.quick", quick);
    let engine = world.engine(runner.clone()).await;
    *world.store.refused.lock().unwrap() = Some("queue.request_cancel");
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(5_000).await;
    assert!(world.store.calls(Some("queue.request_cancel")) > 2);

    drop(engine);
    // What the dead worker still tries is over.
    pass(5_000).await;
    *world.store.refused.lock().unwrap() = None;
    let _next = world.engine(runner).await;

    world.completed(id).await;
    assert!(child_of(&world, id).await.cancel_requested, "before its parent's end");
    assert_eq!(world.ended(child_of(&world, id).await.id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_given_up_takes_its_child_with_it() {
    let mut world = World::new().await;
    let wait = json!({ "key": "go", "type": "wait", "config": { "event": { "name": "go" } } });
    world.workflow(json!({ "name": "child", "steps": [wait] })).await;
    let workflow = parent_of(&mut world, "child", json!({})).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    turbocat_domain::port::ExecutionQueue::insert(&world.store.memory, &[new], None).await.unwrap();
    let mut lost = 0;
    while !world.get(id).await.status.is_terminal() {
        let engine = world.engine(ScriptedRunner::new()).await;
        // Long enough for the child to be started and parked, not for its parent to be.
        pass(1_000).await;
        let worker = engine.handle().worker_id().unwrap();
        drop(engine);
        world.store.memory.end_session(worker);
        lost += 1;
        assert!(lost < 10, "{:?}", world.get(id).await);
    }

    assert_eq!(world.get(id).await.error_code.as_deref(), Some("poison"));
    assert!(child_of(&world, id).await.cancel_requested, "before its parent's end");
    let _next = world.engine(ScriptedRunner::new()).await;
    assert_eq!(world.ended(child_of(&world, id).await.id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_failed_child_fails_its_step_with_its_error() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let workflow = parent_of(&mut world, "child", json!({})).await;
    let runner = ScriptedRunner::new().path("s0", |_| StepError::permanent("bad", "no"));
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
async fn a_secret_is_not_handed_to_a_child_and_what_its_agent_does_not_take_neither() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let secret = json!({ "inputs": { "deep": [{ "key": "${{ secrets.KEY }}" }] } });
    let workflow = parent_of(&mut world, "child", secret).await;
    let config = json!({ "workflow": "child" });
    let capabilities = json!({ "words": [], "input": { "type": "object", "required": ["topic"] } });
    world.agent("picky", |agent| Agent { kind: AgentType::Workflow, config, capabilities, ..agent }).await;
    let picky = json!({ "name": "picky", "steps": [{ "key": "a", "type": "agent", "agent": "picky" }] });
    let picky = world.workflow(picky).await;
    let engine = world.engine(ScriptedRunner::new()).await;

    for (workflow, code) in [(workflow, "secret_not_allowed"), (picky, "input_invalid")] {
        let id = world.start(&engine.handle(), workflow, json!({})).await;
        let execution = world.ended(id).await;
        assert_eq!(execution.error_code.as_deref(), Some(code), "{execution:?}");
    }
    let all = world.store.queries().executions();
    let page = all.list(&ExecutionFilter::default(), turbocat_domain::port::PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 2, "no child was made");
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

/// A parent that starts a child of its own way, and then fails.
async fn a_detaching_parent(world: &mut World) -> turbocat_domain::id::WorkflowId {
    world.workflow(chain("child", 1)).await;
    world.detached_agent("call", "child").await;
    let steps = json!([
        { "key": "call", "type": "agent", "agent": "call" },
        { "key": "bad", "type": "agent", "depends_on": ["call"] },
    ]);
    world.workflow(json!({ "name": "parent", "steps": steps })).await
}

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_wait_answers_with_what_it_started_which_outlives_its_parent() {
    let mut world = World::new().await;
    let workflow = a_detaching_parent(&mut world).await;
    let slow = |_: &_| Answer::After(Duration::from_secs(20), Ok(json!("late")));
    let bad = |_: &_| Answer::After(Duration::from_secs(2), Err(StepError::permanent("bad", "no")));
    let engine = world.engine(ScriptedRunner::new().path("s0", slow).path("bad", bad)).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("bad"));
    let child = child_of(&world, id).await;
    let call = world.records(id).await.into_iter().find(|record| record.path == "call").unwrap();
    assert_eq!(call.outcome, StepOutcome::Completed(json!({ "execution_id": child.id })));
    assert!(!child.cancel_requested);
    assert_eq!((child.depth, child.parent), (1, Some((id, "call".to_owned()))));
    assert_eq!(world.completed(child.id).await.output_data, json!("late"));
}

#[tokio::test(start_paused = true)]
async fn what_goes_its_own_way_is_started_once_and_not_cancelled_whoever_dies() {
    let mut world = World::new().await;
    let workflow = a_detaching_parent(&mut world).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Hang).path("bad", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    // The child is accepted, and the worker dies before its step can be recorded.
    *world.store.refused.lock().unwrap() = Some("journal.commit");
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(2_000).await;
    let before = child_of(&world, id).await.id;
    drop(engine);
    *world.store.refused.lock().unwrap() = None;

    let engine = world.engine(runner).await;
    pass(15_000).await;
    world.cancel(id).await;
    engine.handle().wake();
    assert_eq!(world.ended(id).await.status, ExecutionStatus::Cancelled);
    pass(3_000).await;
    let child = child_of(&world, id).await;
    assert_eq!((child.id, child.status, child.cancel_requested), (before, ExecutionStatus::Running, false));
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_child_has_the_form_that_the_agent_says() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    let (config, capabilities) = (json!({ "workflow": "child" }), json!({ "output": { "required": ["total"] } }));
    world.agent("call", |agent| Agent { kind: AgentType::Workflow, config, capabilities, ..agent }).await;
    let steps = json!([{ "key": "call", "type": "agent", "agent": "call" }]);
    let workflow = world.workflow(json!({ "name": "parent", "steps": steps })).await;
    let runner = ScriptedRunner::new().path("s0", |_| Answer::Reply(json!("three")));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let ended = world.ended(id).await;
    assert_eq!(ended.error_code.as_deref(), Some("output_invalid"), "{ended:?}");
}
