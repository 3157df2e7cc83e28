//! Workers that are drained, killed, fenced, and what becomes of their executions.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    port::{ExecutionAcceptor, WorkerRepository},
};
use turbocat_engine::StopReason;
use turbocat_testkit::runner::{Answer, CallState, ScriptedRunner};

use crate::world::{World, chain, pass};

fn slow(secs: u64) -> ScriptedRunner {
    ScriptedRunner::new().agent("echo", move |call| Answer::After(Duration::from_secs(secs), Ok(call.inputs.clone())))
}

#[tokio::test(start_paused = true)]
async fn a_drained_worker_lets_steps_end_and_another_goes_on_at_once() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("drain", 3)).await;
    let (first, second) = (slow(4), slow(4));
    let one = world.engine(first.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(2_000).await;

    assert_eq!(one.drain(Duration::from_secs(10)).await, StopReason::Drained);
    assert_eq!(first.ledger().len(), 1);
    assert_eq!(first.ledger()[0].state, CallState::Answered);
    assert_eq!(world.records(id).await.len(), 1);
    let two = world.engine(second.clone()).await;
    let execution = world.completed(id).await;
    assert_eq!(second.ledger().len(), 2);
    assert!(execution.duration_ms.unwrap() < 14_000, "{execution:?}");
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn a_drain_stops_what_takes_too_long_and_it_runs_again_elsewhere() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("drain", 1)).await;
    let first = ScriptedRunner::new().path("s0", |_| Answer::Hang);
    let one = world.engine(first.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(1_000).await;
    let before = world.store.now();
    one.drain(Duration::from_secs(3)).await;
    let took = world.store.now() - before;
    assert!(took < chrono::TimeDelta::milliseconds(3_100), "{took}");
    assert_eq!(first.ledger()[0].state, CallState::Dropped);

    let two = world.engine(ScriptedRunner::new()).await;
    world.completed(id).await;
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_drained_accepts_for_others() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("late", 1)).await;
    let one = world.engine(slow(2)).await;
    let handle = one.handle();
    one.drain(Duration::ZERO).await;
    let id = world.start(&handle, workflow, json!({})).await;
    assert_eq!(world.get(id).await.status, ExecutionStatus::Pending);

    let two = world.engine(ScriptedRunner::new()).await;
    world.completed(id).await;
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_worker_had_is_taken_over_and_no_committed_step_runs_again() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("kill", 4)).await;
    let (first, second) = (slow(3), slow(3));
    let one = world.engine(first.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(7_000).await;
    drop(one);
    let two = world.engine(second.clone()).await;

    let execution = world.completed(id).await;
    let paths = |runner: &ScriptedRunner| runner.ledger().into_iter().map(|entry| entry.path).collect::<Vec<_>>();
    assert_eq!(paths(&first), ["s0", "s1", "s2"]);
    assert_eq!(paths(&second), ["s2", "s3"]);
    // 7 s, the rest of the lease, the look for dead workers, and two steps.
    assert!(execution.duration_ms.unwrap() < 28_000, "{execution:?}");
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_session_is_gone_is_taken_over_within_two_seconds() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("session", 1)).await;
    let one = world.engine(ScriptedRunner::new().path("s0", |_| Answer::Hang)).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    let two = world.engine(ScriptedRunner::new()).await;
    pass(5_000).await;
    let dead = one.handle().worker_id().unwrap();
    drop(one);
    world.store.memory.end_session(dead);
    pass(2_100).await;

    assert_eq!(world.get(id).await.status, ExecutionStatus::Completed);
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_worker_writes_nothing_and_comes_back_as_another() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("fence", 2)).await;
    let runner = slow(4);
    let one = world.engine(runner.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(1_000).await;
    // Somebody else takes it for dead.
    let before = one.handle().worker_id().unwrap();
    world.store.release(before).await.unwrap();
    let records = world.records(id).await;

    let execution = world.completed(id).await;
    let after = one.handle().worker_id().unwrap();
    assert_ne!(before, after);
    assert!(records.len() <= 1, "only that it runs");
    assert_eq!(execution.steps_completed, 2);
    assert!(world.store.calls(Some("worker.register")) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_fenced_worker_ends_its_life() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("fence", 2)).await;
    let runner = slow(1);
    let one = world.engine(runner.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(500).await;
    world.store.release(one.handle().worker_id().unwrap()).await.unwrap();

    world.completed(id).await;
    assert_eq!(world.store.fenced.load(Ordering::SeqCst), 1);
    // The first attempt's answer was not taken: it ran again.
    let paths: Vec<String> = runner.ledger().into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["s0", "s0", "s1"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_renew_stops_before_others_take_over() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("lapse", 1)).await;
    let first = ScriptedRunner::new().path("s0", |_| Answer::Hang);
    let one = world.engine(first.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    let first_life = one.handle().worker_id();
    *world.store.refused.lock().unwrap() = Some("worker.renew");
    pass(8_900).await;
    assert_eq!(first.ledger()[0].state, CallState::Running);
    pass(3_600).await;
    assert_eq!(first.ledger()[0].state, CallState::Dropped);
    assert_ne!(one.handle().worker_id(), first_life);
    *world.store.refused.lock().unwrap() = None;
    pass(5_000).await;

    assert_eq!(first.ledger().len(), 2, "it came back and took the execution on again");
    assert_eq!(world.get(id).await.status, ExecutionStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_kills_its_workers_is_given_up() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("poison", 1)).await;
    let mut id = None;
    for _ in 0..6 {
        let engine = world.engine(ScriptedRunner::new().path("s0", |_| Answer::Hang)).await;
        if id.is_none() {
            id = Some(world.start(&engine.handle(), workflow, json!({})).await);
        }
        pass(14_000).await;
        drop(engine);
    }

    let execution = world.get(id.unwrap()).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Failed, Some("poison")));
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_work_and_run_nothing_twice() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("share", 3)).await;
    let runner = ScriptedRunner::new();
    let mut options = World::options("small");
    options.max_executions = 40;
    let one = turbocat_engine::Engine::start(options.clone(), world.ports(runner.clone())).await.unwrap();
    let two = turbocat_engine::Engine::start(options, world.ports(runner.clone())).await.unwrap();
    let news: Vec<_> = (0..500).map(|_| world.execution(workflow, json!({ "x": 1 }))).collect();
    let ids: Vec<_> = news.iter().map(|new| new.id).collect();
    one.handle().accept(news).await.unwrap();
    two.handle().wake();

    for id in ids {
        world.completed(id).await;
    }
    assert_eq!(runner.ledger().len(), 1_500);
    drop((one, two));
}

#[tokio::test(start_paused = true)]
async fn the_kill_of_an_engine_stops_its_agents() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("kill", 1)).await;
    let runner =
        ScriptedRunner::new().path("s0", |_| -> Answer { Answer::After(Duration::from_secs(50), Ok(Value::Null)) });
    let engine = world.engine(runner.clone()).await;
    world.start(&engine.handle(), workflow, json!({})).await;
    pass(100).await;
    drop(engine);
    pass(10).await;

    assert_eq!(runner.ledger()[0].state, CallState::Dropped);
}

#[tokio::test(start_paused = true)]
async fn the_next_owner_starts_no_branch_that_a_timer_has_ended_meanwhile() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "race", "type": "parallel",
          "config": { "branches": { "agent": ["slow"], "timer": ["soon"] }, "wait_for": "any" } },
        { "key": "slow", "type": "agent" },
        { "key": "soon", "type": "wait", "config": { "duration_ms": 3_000 } },
    ]);
    let workflow = world.workflow(json!({ "name": "race", "steps": steps })).await;
    let runner = ScriptedRunner::new().path("race.agent.slow", |_| Answer::Hang);
    let one = world.engine(runner.clone()).await;
    let id = world.start(&one.handle(), workflow, json!({})).await;
    pass(1_000).await;
    assert_eq!(runner.ledger().len(), 1);
    drop(one);
    // Nobody is there when the timer is due: the next owner has it fire before it knows the agent, and knows the agent
    // before that is durable.
    pass(20_000).await;
    world.store.commit_ms.store(100, Ordering::SeqCst);
    let two = world.engine(runner.clone()).await;
    world.completed(id).await;

    assert_eq!(runner.ledger().len(), 1, "the step was over when it could have been started again");
    drop(two);
}
