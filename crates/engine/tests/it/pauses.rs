//! Pauses: nothing begins, what runs goes on, and a resume goes on where it was.

use std::time::Duration;

use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    id::ExecutionId,
    port::{EventQueries, ExecutionAcceptor, ExecutionQueue, NewExecution},
    step_run::{StepError, StepOutcome},
};
use turbocat_engine::{Awaited, Engine, Progress};
use turbocat_testkit::{
    faulty::FaultRates,
    runner::{Answer, ScriptedRunner},
};

use crate::world::{World, chain, pass};

/// Pauses an execution, tells the engine, and gives it a moment.
async fn pause(world: &World, engine: &Engine, id: ExecutionId) {
    world.pause(id).await;
    engine.handle().wake();
    pass(100).await;
}

async fn resume(world: &World, engine: &Engine, id: ExecutionId) {
    world.resume(id).await;
    engine.handle().wake();
}

fn slow(ms: u64) -> Answer {
    Answer::After(Duration::from_millis(ms), Ok(json!("done")))
}

#[tokio::test(start_paused = true)]
async fn what_runs_goes_on_to_its_end_and_nothing_else_begins_until_it_is_resumed() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 3)).await;
    let runner = ScriptedRunner::new().path("s0", |_| slow(2_000));
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(500).await;
    let mut progress = engine.handle().watch(id);
    pause(&world, &engine, id).await;
    pass(60_000).await;

    let completed: Vec<String> = world.outputs(id).await.into_keys().collect();
    assert_eq!(completed, ["s0"]);
    assert_eq!(runner.ledger().len(), 1);
    assert_eq!(world.get(id).await.status, ExecutionStatus::Running);
    assert_eq!(engine.handle().held(), 0, "it rests in storage");
    let mut waits = Vec::new();
    while let Ok(event) = progress.try_recv() {
        if let Progress::Wait(wait) = event {
            waits.push((wait.path, wait.what));
        }
    }
    assert_eq!(waits, [("s1".to_owned(), Awaited::Resume)]);

    resume(&world, &engine, id).await;
    world.completed(id).await;
    assert_eq!(runner.ledger().len(), 3, "and nothing is done twice");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_taken_back_while_an_attempt_runs_is_as_if_it_never_was() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 2)).await;
    let runner = ScriptedRunner::new().path("s0", |_| slow(2_000));
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(500).await;
    pause(&world, &engine, id).await;
    pass(500).await;
    resume(&world, &engine, id).await;
    let execution = world.completed(id).await;
    assert_eq!(runner.ledger().len(), 2);
    assert!(execution.duration_ms.unwrap() < 2_100, "{execution:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_before_it_began_does_not_begin() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 1)).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    world.store.insert(&[new], None).await.unwrap();
    world.pause(id).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    pass(60_000).await;
    assert_eq!((world.get(id).await.status, runner.ledger().len()), (ExecutionStatus::Pending, 0));
    resume(&world, &engine, id).await;
    world.completed(id).await;
}

#[tokio::test(start_paused = true)]
async fn a_last_attempt_that_ends_while_it_is_paused_ends_the_execution() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 1)).await;
    let engine = world.engine(ScriptedRunner::new().path("s0", |_| slow(2_000))).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(500).await;
    pause(&world, &engine, id).await;
    let execution = world.completed(id).await;
    assert_eq!(execution.paused, None);
}

#[tokio::test(start_paused = true)]
async fn times_pass_and_events_arrive_but_only_a_resume_lets_them_count() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "nap", "type": "wait", "config": { "duration_ms": 5_000 } },
        { "key": "paid", "type": "wait", "config": { "event": { "name": "paid" } } },
        { "key": "after", "type": "agent", "depends_on": ["nap"] },
        { "key": "then", "type": "agent", "depends_on": ["paid"], "inputs": { "got": "${{ steps.paid.output }}" } },
    ]);
    let workflow = world.workflow(json!({ "name": "waits", "steps": steps })).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    pause(&world, &engine, id).await;
    world.store.publish(&world.event("paid", json!({ "sum": 7 }), None)).await.unwrap();
    engine.handle().wake();
    pass(60_000).await;
    assert_eq!(runner.ledger().len(), 0);
    assert_eq!(world.records(id).await, []);
    assert_eq!(engine.handle().held(), 0);

    resume(&world, &engine, id).await;
    let execution = world.completed(id).await;
    assert!(execution.duration_ms.unwrap() < 62_000, "both were over already: {execution:?}");
    assert_eq!(world.outputs(id).await["then"]["got"], json!({ "sum": 7 }));
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_the_resume() {
    let mut world = World::new().await;
    let step = json!({ "key": "a", "type": "agent", "retry_count": 1, "retry_delay_ms": 3_000 });
    let workflow = world.workflow(json!({ "name": "retry", "steps": [step] })).await;
    let runner = ScriptedRunner::new().path("a", |call| match call.attempt {
        1 => Answer::Fail(StepError::transient("http_status", "busy")),
        _ => Answer::Reply(json!("done")),
    });
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    pause(&world, &engine, id).await;
    pass(60_000).await;
    assert_eq!(runner.ledger().len(), 1);
    resume(&world, &engine, id).await;
    world.completed(id).await;
    assert_eq!(runner.ledger().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_goes_on_and_its_parent_takes_its_answer_in_when_it_is_resumed() {
    for paused_at_ms in [500, 10_000] {
        let mut world = World::new().await;
        world.workflow(chain("child", 2)).await;
        world.workflow_agent("call", "child").await;
        let steps = json!([
            { "key": "call", "type": "agent", "agent": "call" },
            { "key": "after", "type": "agent", "depends_on": ["call"] },
        ]);
        let workflow = world.workflow(json!({ "name": "parent", "steps": steps })).await;
        let runner = ScriptedRunner::new().path("s0", |_| slow(20_000));
        let engine = world.engine(runner.clone()).await;
        let id = world.start(&engine.handle(), workflow, json!({})).await;
        pass(paused_at_ms).await;
        pause(&world, &engine, id).await;
        pass(60_000).await;
        let ran: Vec<String> = runner.ledger().into_iter().map(|entry| entry.path).collect();
        assert_eq!(ran, ["s0", "s1"], "the child is through");
        assert!(world.outputs(id).await.is_empty());
        assert_eq!(engine.handle().held(), 0);

        resume(&world, &engine, id).await;
        world.completed(id).await;
        assert_eq!(runner.ledger().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_can_be_cancelled_and_times_out() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 2)).await;
    let runner = ScriptedRunner::new().path("s0", |_| slow(1_000));
    let engine = world.engine(runner.clone()).await;
    let cancelled = world.start(&engine.handle(), workflow, json!({})).await;
    let new = NewExecution { timeout_ms: 30_000, ..world.execution(workflow, json!({})) };
    let late = new.id;
    engine.handle().accept(vec![new]).await.unwrap();
    pass(500).await;
    pause(&world, &engine, cancelled).await;
    pause(&world, &engine, late).await;
    pass(5_000).await;
    world.cancel(cancelled).await;
    engine.handle().wake();
    assert_eq!(world.ended(cancelled).await.status, ExecutionStatus::Cancelled);
    let late = world.ended(late).await;
    assert_eq!(late.status, ExecutionStatus::Timeout);
    assert!(late.duration_ms.unwrap() < 30_200, "{late:?}");
    assert_eq!(runner.ledger().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_who_takes_the_execution_over() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 2)).await;
    let runner = ScriptedRunner::new().path("s0", |call| if call.attempt == 1 { slow(5_000) } else { slow(10) });
    let first = world.engine(runner.clone()).await;
    let id = world.start(&first.handle(), workflow, json!({})).await;
    pass(500).await;
    pause(&world, &first, id).await;
    drop(first);
    let second = world.engine(runner.clone()).await;
    pass(60_000).await;
    let done = world.outputs(id).await.len();
    assert_eq!((runner.ledger().len(), done), (1, 0), "what was lost with its worker is not begun again");
    resume(&world, &second, id).await;
    world.completed(id).await;
    assert_eq!(runner.ledger().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_a_paused_execution_waits_for_goes_to_another() {
    let mut world = World::new().await;
    world.agent("one", |agent| turbocat_domain::agent::Agent { max_concurrent_executions: Some(1), ..agent }).await;
    let step = json!({ "key": "a", "type": "agent", "agent": "one" });
    let workflow = world.workflow(json!({ "name": "narrow", "steps": [step] })).await;
    let runner = ScriptedRunner::new().path("a", |_| slow(2_000));
    let engine = world.engine(runner.clone()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.start(&engine.handle(), workflow, json!({})).await);
        pass(50).await;
    }
    pause(&world, &engine, ids[1]).await;
    world.completed(ids[2]).await;
    pass(10_000).await;
    assert_eq!(runner.ledger().len(), 2);
    resume(&world, &engine, ids[1]).await;
    world.completed(ids[1]).await;
    assert_eq!(runner.ledger().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failure_beside_what_is_held_back_ends_it() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "slow", "type": "agent" },
        { "key": "nap", "type": "wait", "config": { "duration_ms": 500_000 } },
        { "key": "never", "type": "agent", "depends_on": ["nap"] },
    ]);
    let workflow = world.workflow(json!({ "name": "beside", "steps": steps })).await;
    let fails = || Answer::After(Duration::from_secs(2), Err(StepError::permanent("broken", "for good")));
    let engine = world.engine(ScriptedRunner::new().path("slow", move |_| fails())).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(500).await;
    pause(&world, &engine, id).await;
    assert_eq!(world.ended(id).await.status, ExecutionStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn the_last_word_counts_also_when_replies_are_lost() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 2)).await;
    let runner = ScriptedRunner::new().path("s0", |_| slow(30_000));
    let engine = world.engine(runner.clone()).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.start(&engine.handle(), workflow, json!({})).await);
    }
    pass(1_000).await;
    world.store.faults.set_rates(FaultRates { before_per_mille: 0, after_per_mille: 500 });
    for (n, id) in ids.iter().enumerate() {
        world.pause(*id).await;
        engine.handle().wake();
        pass(300).await;
        if n % 2 == 0 {
            world.resume(*id).await;
            engine.handle().wake();
            pass(200).await;
        }
    }
    pass(60_000).await;
    assert!(world.store.faults.count("queue.take_mail").failed_after > 3);
    for (n, id) in ids.iter().enumerate() {
        let execution = world.get(*id).await;
        let is_done = |(_, record): (usize, turbocat_domain::step_run::StepRecord)| {
            matches!(record.outcome, StepOutcome::Completed(Value::String(_) | Value::Object(_)))
        };
        let done = world.records(*id).await.into_iter().enumerate().filter(|one| is_done(one.clone())).count();
        let wanted = if n % 2 == 0 { (ExecutionStatus::Completed, 2) } else { (ExecutionStatus::Running, 1) };
        assert_eq!((execution.status, done), wanted, "{n}: {execution:?}");
    }
}
