//! What runs do: chains, joins, retries, timeouts, loops and maps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    execution_log::{LogLevel, StepStatus},
    port::{AgentCall, AgentRunner, ExecutionQueue, LogSink},
    step_run::{StepError, StepOutcome},
};
use turbocat_engine::{Awaited, Progress};
use turbocat_testkit::runner::{Answer, CallState, ScriptedRunner};

use crate::world::{World, chain, pass};

/// An agent that counts how often it runs at once.
#[derive(Clone, Default)]
struct Counting {
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl AgentRunner for Counting {
    async fn run(&self, _: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        pass(100).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(json!(running))
    }
}

/// An agent that prints more than is kept.
struct Talkative;

#[async_trait]
impl AgentRunner for Talkative {
    async fn run(&self, _: AgentCall, log: Arc<dyn LogSink>) -> Result<Value, StepError> {
        (0..10_003).for_each(|n| log.log(LogLevel::Info, &format!("line {n}\0")));
        Ok(Value::Null)
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_completes_step_by_step_and_shows_its_progress() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 3)).await;
    let runner = ScriptedRunner::new();
    let engine = world.engine(runner.clone()).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    let mut progress = engine.handle().watch(id);
    turbocat_domain::port::ExecutionAcceptor::accept(&engine.handle(), vec![new]).await.unwrap();

    let execution = world.completed(id).await;
    assert_eq!((execution.steps_completed, execution.steps_failed), (3, 0));
    assert_eq!(execution.output_data, json!({ "n": 2 }));
    let paths: Vec<String> = runner.ledger().into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["s0", "s1", "s2"]);
    let mut shown = Vec::new();
    while let Ok(event) = progress.recv().await {
        match event {
            Progress::Step(step) => shown.push((step.path, step.status)),
            Progress::Wait(wait) => panic!("nothing is waited for: {wait:?}"),
            Progress::Finished(end) => assert_eq!(end.status, ExecutionStatus::Completed),
        }
    }
    let completed = |path: &str| (path.to_owned(), StepStatus::Completed);
    assert_eq!(shown, [completed("s0"), completed("s1"), completed("s2")]);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_others_accepted_is_claimed() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("chain", 1)).await;
    let _engine = world.engine(ScriptedRunner::new()).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    pass(10_000).await;
    world.store.insert(&[new], None).await.unwrap();

    world.completed(id).await;
    assert!(world.store.now() - world.get(id).await.created_at < chrono::TimeDelta::milliseconds(2_300));
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_runs_side_by_side_within_its_bound_and_joins() {
    let mut world = World::new().await;
    let mut steps: Vec<Value> = (0..10).map(|n| json!({ "key": format!("f{n}"), "type": "agent" })).collect();
    let all: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
    steps.push(json!({ "key": "join", "type": "agent", "depends_on": all }));
    let workflow =
        world.workflow(json!({ "name": "fan", "settings": { "max_parallel_steps": 4 }, "steps": steps })).await;
    let counting = Counting::default();
    let engine = world.engine(counting.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.completed(id).await;
    assert_eq!(execution.steps_completed, 11);
    assert_eq!(counting.most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_no_earlier_than_the_other_side_asked_for() {
    let mut world = World::new().await;
    let step = json!({ "key": "a", "type": "agent", "retry_count": 2, "retry_delay_ms": 100 });
    let workflow = world.workflow(json!({ "name": "retry", "steps": [step] })).await;
    let runner = ScriptedRunner::new().path("a", |call| match call.attempt {
        1 => Answer::Fail(StepError { retry_after_ms: Some(3_000), ..StepError::transient("http_status", "busy") }),
        2 => Answer::Fail(StepError::transient("http_status", "busy")),
        _ => Answer::Reply(json!("done")),
    });
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    world.completed(id).await;
    assert_eq!(runner.ledger().len(), 3);
    let records = world.records(id).await;
    let began: Vec<i64> =
        records.iter().map(|record| (record.started_at - records[0].started_at).num_milliseconds()).collect();
    assert!(began[1] >= 3_000 && began[2] >= 3_100 && began[2] < 3_400, "{began:?}");
    assert!(runner.ledger().iter().all(|entry| entry.idempotency_key == runner.ledger()[0].idempotency_key));
}

#[tokio::test(start_paused = true)]
async fn who_looks_on_is_told_what_a_step_waits_for() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "a", "type": "agent", "retry_count": 2, "retry_delay_ms": 2_000 },
        { "key": "nap", "type": "wait", "depends_on": ["a"], "config": { "duration_ms": 5_000 } },
    ]);
    let workflow = world.workflow(json!({ "name": "waits", "steps": steps })).await;
    let runner = ScriptedRunner::new().path("a", |call| match call.attempt {
        1 => Answer::Fail(StepError::transient("http_status", "busy")),
        _ => Answer::Reply(json!("done")),
    });
    let engine = world.engine(runner).await;
    let new = world.execution(workflow, json!({}));
    let id = new.id;
    let mut progress = engine.handle().watch(id);
    turbocat_domain::port::ExecutionAcceptor::accept(&engine.handle(), vec![new]).await.unwrap();

    world.completed(id).await;
    let mut waits = Vec::new();
    while let Ok(event) = progress.recv().await {
        if let Progress::Wait(wait) = event {
            assert!(wait.ends_in_ms.is_some_and(|ms| (1_000..=5_000).contains(&ms)), "{wait:?}");
            waits.push((wait.path, wait.what, wait.attempt, wait.attempts_max));
        }
    }
    assert_eq!(waits, [("a".to_owned(), Awaited::Retry, 2, 3), ("nap".to_owned(), Awaited::Time, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_stopped_by_the_smaller_limit() {
    let mut world = World::new().await;
    world.agent("slow", |agent| turbocat_domain::agent::Agent { max_execution_time: Some(2), ..agent }).await;
    let step = json!({ "key": "a", "type": "agent", "agent": "slow", "timeout_ms": 30_000 });
    let workflow = world.workflow(json!({ "name": "slow", "steps": [step] })).await;
    let runner = ScriptedRunner::new().path("a", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Failed, Some("timeout")));
    assert_eq!(runner.ledger()[0].state, CallState::Dropped);
    assert_eq!(execution.duration_ms.map(|ms| ms / 100), Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_panics_fails_the_attempt_and_nothing_else() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("panic", 1)).await;
    let runner = ScriptedRunner::new().path("s0", |call: &AgentCall| -> Answer {
        assert!(call.inputs.get("calm").is_some(), "a panic on purpose");
        Answer::Hang
    });
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.ended(id).await.error_code.as_deref(), Some("crashed"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_allowed_does_not_end_the_execution() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "a", "type": "agent", "on_error": "continue" },
        { "key": "b", "type": "agent", "depends_on": ["a"], "inputs": { "error": "${{ steps.a.error.code }}" } },
    ]);
    let workflow = world.workflow(json!({ "name": "allowed", "steps": steps })).await;
    let runner = ScriptedRunner::new().path("a", |_| StepError::permanent("bad", "no"));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.completed(id).await;
    assert_eq!((execution.steps_completed, execution.steps_failed), (1, 1));
    assert_eq!(execution.output_data, json!({ "error": "bad" }));
}

#[tokio::test(start_paused = true)]
async fn a_decisive_failure_stops_its_siblings() {
    let mut world = World::new().await;
    let steps = json!([{ "key": "a", "type": "agent" }, { "key": "b", "type": "agent" }]);
    let workflow = world.workflow(json!({ "name": "decisive", "steps": steps })).await;
    let failure = Answer::After(Duration::from_millis(50), Err(StepError::permanent("bad", "no")));
    let runner = ScriptedRunner::new().path("a", move |_| failure.clone()).path("b", |_| Answer::Hang);
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!((execution.status, execution.error_code.as_deref()), (ExecutionStatus::Failed, Some("bad")));
    assert_eq!(runner.ledger()[1].state, CallState::Dropped);
    let skipped = world.records(id).await.into_iter().find(|record| record.path == "b").unwrap();
    assert!(matches!(skipped.outcome, StepOutcome::Skipped(_)), "{skipped:?}");
}

#[tokio::test(start_paused = true)]
async fn loops_and_maps_run_their_bodies() {
    let mut world = World::new().await;
    let steps = json!([
        { "key": "each", "type": "loop", "config": { "items": "${{ input.items }}", "max_iterations": 5, "body": ["one"] } },
        { "key": "one", "type": "agent", "inputs": { "item": "${{ item }}" } },
        { "key": "wide", "type": "parallel", "depends_on": ["each"],
          "config": { "items": "${{ input.items }}", "body": ["two"], "max_concurrency": 2 } },
        { "key": "two", "type": "agent", "inputs": { "item": "${{ item }}" } },
    ]);
    let workflow = world.workflow(json!({ "name": "bodies", "steps": steps })).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({ "items": [1, 2, 3] })).await;

    world.completed(id).await;
    let outputs = world.outputs(id).await;
    assert_eq!(outputs["each[2].one"], json!({ "item": 3 }));
    assert_eq!(outputs["wide[0].two"], json!({ "item": 1 }));
    assert_eq!(outputs["each"]["iterations"], json!(3));
}

#[tokio::test(start_paused = true)]
async fn an_agent_runs_no_more_often_at_once_than_it_may_and_what_waits_does_not_age() {
    let mut world = World::new().await;
    world.agent("narrow", |agent| turbocat_domain::agent::Agent { max_concurrent_executions: Some(1), ..agent }).await;
    let step = |key: &str| json!({ "key": key, "type": "agent", "agent": "narrow", "timeout_ms": 1_000 });
    let steps: Vec<Value> = ["a", "b", "c", "d"].map(step).to_vec();
    let workflow = world.workflow(json!({ "name": "narrow", "steps": steps })).await;
    let runner = ScriptedRunner::new().agent("narrow", |_| Answer::After(Duration::from_millis(800), Ok(Value::Null)));
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.completed(id).await;
    assert!(execution.duration_ms.unwrap() >= 3_200, "{execution:?}");
    let order: Vec<String> = runner.ledger().into_iter().map(|entry| entry.path).collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_long_is_seen_while_it_runs() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("long", 2)).await;
    let runner = ScriptedRunner::new().path("s1", |_| Answer::After(Duration::from_secs(5), Ok(Value::Null)));
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(200).await;
    assert_eq!(world.records(id).await.len(), 1);
    pass(200).await;
    let records = world.records(id).await;
    assert_eq!((records.len(), &records[1].outcome), (2, &StepOutcome::Running));

    world.completed(id).await;
    assert_eq!(world.records(id).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn lines_of_agents_are_kept_up_to_their_limit_and_the_rest_is_counted() {
    let mut world = World::new().await;
    let workflow = world.workflow(chain("talk", 1)).await;
    let engine = world.engine(Talkative).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    world.completed(id).await;
    engine.drain(Duration::from_secs(1)).await;

    let filter = turbocat_domain::port::LogFilter::default();
    let mut page = turbocat_domain::port::PageRequest { limit: 200, after: None };
    let mut lines = Vec::new();
    loop {
        let found = world.store.queries().executions().logs(id, &filter, page).await.unwrap();
        lines.extend(found.items.into_iter().map(|line| line.message));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("line ")).count(), 10_000);
    assert!(lines.iter().any(|line| line.starts_with("3 more lines were dropped")), "{:?}", lines.last());
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_cannot_be_run_fails_its_executions_with_a_clear_code() {
    let mut world = World::new().await;
    let workflow = world.workflow(json!({ "name": "broken", "nonsense": 1, "steps": [] })).await;
    let engine = world.engine(ScriptedRunner::new()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!(
        (execution.status, execution.error_code.as_deref()),
        (ExecutionStatus::Failed, Some("workflow_invalid"))
    );
    assert_eq!(engine.handle().held(), 0);
}
