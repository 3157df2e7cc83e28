//! How much storage is asked of: nothing to speak of when idle, few commits when busy.

use serde_json::json;
use turbocat_domain::port::ExecutionAcceptor;
use turbocat_testkit::runner::ScriptedRunner;

use crate::world::{World, chain, pass};

#[tokio::test(start_paused = true)]
async fn an_idle_engine_asks_at_most_one_question_a_second() {
    let mut world = World::new().await;
    world.workflow(chain("idle", 1)).await;
    let _engine = world.engine(ScriptedRunner::new()).await;
    pass(5_000).await;
    let before = (world.store.calls(None), world.store.calls(Some("worker.renew")));
    pass(600_000).await;
    let renewals = world.store.calls(Some("worker.renew")) - before.1;
    let questions = world.store.calls(None) - before.0 - renewals;

    assert!(questions <= 600, "{questions} questions in 600 s");
    assert!(questions > 400 && (170..=185).contains(&renewals), "{questions} questions, {renewals} renewals");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_executions_share_their_commits() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("many", 10)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    world.store.commit_ms.store(1, std::sync::atomic::Ordering::SeqCst);
    let news: Vec<_> = (0..1_000).map(|_| world.execution(workflow, json!({}))).collect();
    let ids: Vec<_> = news.iter().map(|new| new.id).collect();
    engine.handle().accept(news).await.unwrap();
    for id in ids {
        world.completed(id).await;
    }

    assert_eq!(runner.ledger().len(), 10_000);
    let batches = world.store.batches.lock().unwrap().clone();
    let records: usize = batches.iter().map(|(records, _, _)| records).sum();
    assert_eq!(records, 10_000);
    assert!(batches.len() <= 100, "{} commits for 10,000 steps", batches.len());
    assert!(batches.iter().all(|(records, finished, _)| records + finished <= 4_000));
    println!("{} commits for 10,000 steps", batches.len());
}

#[tokio::test(start_paused = true)]
async fn accepts_that_come_together_are_inserted_together() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("together", 1)).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let news: Vec<_> = (0..100).map(|_| world.execution(workflow, json!({}))).collect();
    let ids: Vec<_> = news.iter().map(|new| new.id).collect();
    let mut callers = tokio::task::JoinSet::new();
    for new in news {
        let handle = engine.handle();
        callers.spawn(async move { handle.accept(vec![new]).await });
    }
    while let Some(accepted) = callers.join_next().await {
        accepted.unwrap().unwrap();
    }
    for id in ids {
        world.completed(id).await;
    }

    assert!(world.store.calls(Some("queue.insert")) <= 3);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_accepted_twice_runs_once() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("twice", 3)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    let (handle, again) = (engine.handle(), engine.handle());
    let (first, second) = tokio::join!(handle.accept(vec![new.clone()]), again.accept(vec![new.clone()]));

    first.unwrap();
    second.unwrap();
    world.completed(id).await;
    engine.handle().accept(vec![new]).await.unwrap();
    assert_eq!(runner.ledger().len(), 3, "each step ran once");
    assert_eq!(engine.handle().held(), 0, "no place is taken for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_executions_complete_on_several_threads_in_real_time() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("threads", 5)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    let began = std::time::Instant::now();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let news: Vec<_> = (0..300).map(|_| world.execution(workflow, json!({}))).collect();
        ids.extend(news.iter().map(|new| new.id));
        engine.handle().accept(news).await.unwrap();
    }
    for id in ids {
        world.completed(id).await;
    }
    println!("15,000 steps took {:?}", began.elapsed());
    assert_eq!(runner.ledger().len(), 15_000);
}
