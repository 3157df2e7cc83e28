//! Storage that fails: for a moment, for long, after it did what it was asked, for good.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    id::ExecutionId,
    port::{ExecutionAcceptor, NewExecution},
};
use turbocat_testkit::{
    faulty::FaultRates,
    runner::{Answer, ScriptedRunner},
};

use crate::world::{World, chain, pass};

async fn accept(world: &World, engine: &turbocat_engine::Engine, news: Vec<NewExecution>) -> Vec<ExecutionId> {
    let ids = news.iter().map(|new| new.id).collect();
    engine.handle().accept(news).await.unwrap();
    let _ = world;
    ids
}

#[tokio::test(start_paused = true)]
async fn lost_replies_double_nothing() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("lost", 5)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    world.store.faults.set_rates(FaultRates { before_per_mille: 0, after_per_mille: 300 });
    let mut ids = Vec::new();
    for _ in 0..20 {
        let news = (0..5).map(|_| world.execution(workflow, json!({}))).collect();
        ids.extend(accept(&world, &engine, news).await);
    }
    for id in &ids {
        world.completed(*id).await;
    }
    world.store.faults.set_rates(FaultRates::default());
    // No committed step ran again: as many calls as steps, though commits, claims and inserts lost their replies.
    assert_eq!(runner.ledger().len(), 500);
    let lost = |call| world.store.faults.count(call).failed_after;
    assert!(lost("journal.commit") > 3 && lost("queue.insert") > 3, "{:?}", world.store.faults.counts());
    pass(120_000).await;
    let metrics = world.store.queries().workflows().get(workflow).await.unwrap();
    assert_eq!(metrics.total_executions, 100);
}

#[tokio::test(start_paused = true)]
async fn lost_replies_to_claims_strand_no_execution() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("claims", 2)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    world.store.faults.set_rates(FaultRates { before_per_mille: 50, after_per_mille: 200 });
    let mut ids = Vec::new();
    for _ in 0..150 {
        let new = world.execution(workflow, json!({}));
        ids.push(new.id);
        // Past the faults: nobody owns it.
        turbocat_domain::port::ExecutionQueue::insert(&world.store.memory, &[new], None).await.unwrap();
        engine.handle().wake();
        pass(400).await;
    }
    for id in ids {
        world.completed(id).await;
    }
    let lost = world.store.faults.count("queue.claim").failed_after;
    assert!(lost > 5, "{:?}", world.store.faults.counts());
    assert_eq!(runner.ledger().len(), 300);
    assert_eq!(world.store.calls(Some("worker.register")), 1, "the worker kept its lease");
}

#[tokio::test(start_paused = true)]
async fn cancels_are_not_lost_with_the_reply_that_told_of_them() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("cancel", 1)).await;
    let engine = world.engine(ScriptedRunner::new().path("s0", |_| Answer::Hang)).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.start(&engine.handle(), workflow, json!({})).await);
    }
    pass(1_000).await;
    world.store.faults.set_rates(FaultRates { before_per_mille: 0, after_per_mille: 500 });
    for id in &ids {
        turbocat_domain::port::ExecutionQueue::request_cancel(&world.store.memory, *id).await.unwrap();
        engine.handle().wake();
        pass(300).await;
    }
    pass(20_000).await;
    assert!(world.store.faults.count("queue.take_mail").failed_after > 3);
    for id in ids {
        assert_eq!(world.get(id).await.status, ExecutionStatus::Cancelled);
    }
}

#[tokio::test(start_paused = true)]
async fn storage_that_often_fails_delays_and_does_nothing_else() {
    let mut world = World::new().await;
    world.workflow(chain("child", 1)).await;
    world.workflow_agent("call", "child").await;
    let mut document = chain("often", 4);
    document["steps"][2]["agent"] = json!("call");
    let workflow = world.workflow(document).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    world.store.faults.set_rates(FaultRates { before_per_mille: 200, after_per_mille: 200 });
    let news = (0..50).map(|_| world.execution(workflow, json!({}))).collect();
    for id in accept(&world, &engine, news).await {
        world.completed(id).await;
    }
    assert_eq!(runner.ledger().len(), 50 * 3 + 50);
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_delays_and_what_runs_goes_on() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("short", 3)).await;
    let runner = ScriptedRunner::new().agent("echo", |_| Answer::After(Duration::from_secs(2), Ok(Value::Null)));
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_000).await;
    world.store.is_down.store(true, Ordering::SeqCst);
    pass(5_000).await;
    assert_eq!(runner.ledger().len(), 1, "no successor starts before the result is durable");
    world.store.is_down.store(false, Ordering::SeqCst);

    let execution = world.completed(id).await;
    assert_eq!(runner.ledger().len(), 3);
    assert!(execution.duration_ms.unwrap() < 13_000, "{execution:?}");
    assert_eq!(world.store.calls(Some("worker.register")), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_the_lease_delays_and_nothing_else() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("long", 3)).await;
    let runner = ScriptedRunner::new().agent("echo", |_| Answer::After(Duration::from_secs(3), Ok(Value::Null)));
    let engine = world.engine(runner.clone()).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.start(&engine.handle(), workflow, json!({})).await);
    }
    pass(4_000).await;
    world.store.is_down.store(true, Ordering::SeqCst);
    pass(20_000).await;
    world.store.is_down.store(false, Ordering::SeqCst);

    for id in ids {
        let execution = world.completed(id).await;
        assert!(execution.duration_ms.unwrap() < 36_000, "{execution:?}");
    }
    // s0 was durable before; s1 was interrupted and ran again.
    let first = runner.ledger().into_iter().filter(|entry| entry.path == "s0").count();
    assert_eq!(first, 20);
}

#[tokio::test(start_paused = true)]
async fn what_storage_refuses_for_good_costs_one_execution() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("fine", 2)).await;
    let bad = world.workflow(json!({ "name": "bad", "steps": [{ "key": "evil", "type": "agent" }] })).await;
    *world.store.poison.lock().unwrap() = Some("evil".to_owned());
    let engine = world.engine(ScriptedRunner::new()).await;
    let mut news: Vec<_> = (0..100).map(|_| world.execution(workflow, json!({}))).collect();
    news.push(world.execution(bad, json!({})));
    let ids = accept(&world, &engine, news).await;
    let (evil, fine) = ids.split_last().unwrap();

    for id in fine {
        world.completed(*id).await;
    }
    let execution = world.ended(*evil).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Failed, Some("storage_refused")));
    pass(100).await;
    assert_eq!(engine.handle().held(), 0);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_recorded_of_a_run_is_written_before_it_is_parked() {
    const CONDITIONS: usize = 6;
    let mut world = World::new().await;
    let mut steps: Vec<Value> = (0..CONDITIONS)
        .map(|n| json!({ "key": format!("c{n}"), "type": "condition", "config": { "if": "true" } }))
        .collect();
    steps.push(json!({ "key": "go", "type": "wait", "config": { "event": { "name": "go" } } }));
    let workflow = world.workflow(json!({ "name": "parked", "steps": steps })).await;
    let options = turbocat_engine::EngineOptions { batch_records_max: 1, ..World::options("small batches") };
    let engine = turbocat_engine::Engine::start(options, world.ports(ScriptedRunner::new())).await.unwrap();
    world.store.commit_ms.store(100, Ordering::SeqCst);
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    for _ in 0..600 {
        if world.store.memory.owner_of(id).is_none() {
            break;
        }
        pass(10).await;
    }

    assert_eq!(world.store.memory.owner_of(id), None, "it is parked");
    assert_eq!(world.records(id).await.len(), CONDITIONS);
}
