//! Agents that run only so often at once, whoever runs them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    agent::Agent,
    execution::ExecutionStatus,
    id::{ExecutionId, WorkerId, WorkflowId},
    permit::{PermitGrant, PermitRequest},
    port::{AgentCall, AgentRunner, ExecutionQueue, LogSink, NewExecution, PermitLedger, WorkerRepository},
    step_run::StepError,
};
use turbocat_testkit::builder::a_worker;

use crate::world::{World, pass};

/// Counts how many attempts run at once, over all engines that have a clone of it.
#[derive(Clone, Default)]
struct Counted {
    name: &'static str,
    takes_ms: u64,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    ran: Arc<Mutex<Vec<&'static str>>>,
}

impl Counted {
    fn named(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    fn runs_of(&self, name: &str) -> usize {
        self.ran.lock().unwrap().iter().filter(|by| **by == name).count()
    }
}

/// Leaves when the attempt ends, or is dropped.
struct Inside<'a>(&'a Counted);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl AgentRunner for Counted {
    async fn run(&self, _: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _inside = Inside(self);
        self.most.fetch_max(now, Ordering::SeqCst);
        self.ran.lock().unwrap().push(self.name);
        tokio::time::sleep(Duration::from_millis(self.takes_ms)).await;
        Ok(Value::Null)
    }
}

async fn world_of(most: u32) -> (World, WorkflowId) {
    let mut world = World::new().await;
    world.agent("narrow", |agent| Agent { max_concurrent_executions: Some(most), ..agent }).await;
    let step = |key: &str| json!({ "key": key, "type": "agent", "agent": "narrow" });
    let steps: Vec<Value> = ["a", "b", "c"].map(step).to_vec();
    let workflow = world.workflow(json!({ "name": "narrow", "steps": steps })).await;
    (world, workflow)
}

/// Accepts executions that nobody owns yet.
async fn accept(world: &World, workflow: WorkflowId, count: usize) -> Vec<ExecutionId> {
    let all: Vec<NewExecution> = (0..count).map(|_| world.execution(workflow, json!({}))).collect();
    world.store.memory.insert(&all, None).await.unwrap();
    all.iter().map(|execution| execution.id).collect()
}

async fn take(world: &World, worker: WorkerId, wanted: u32) -> PermitGrant {
    let request = PermitRequest { running: 0, wanted };
    world.store.memory.take_permits(worker, world.agent_ids()[1], request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_workers_together_run_an_agent_no_more_often_than_it_may_and_each_has_its_turn() {
    for most in [1, 2, 5] {
        let (world, workflow) = world_of(most).await;
        let counted = Counted { takes_ms: 50, ..Counted::default() };
        let one = world.engine(counted.named("one")).await;
        let two = world.engine(counted.named("two")).await;
        // Each accepts its own: both have work all the while.
        let mut ids = Vec::new();
        for _ in 0..30 {
            ids.push(world.start(&one.handle(), workflow, json!({})).await);
            ids.push(world.start(&two.handle(), workflow, json!({})).await);
        }
        for id in ids {
            world.completed(id).await;
        }
        let seen = counted.most.load(Ordering::SeqCst);
        assert_eq!(seen, most as usize, "the most that ran at once");
        let runs = [counted.runs_of("one"), counted.runs_of("two")];
        assert_eq!(runs[0] + runs[1], 180);
        assert!(runs.iter().all(|runs| *runs >= 60), "{most}: {runs:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_worker_held_is_used_by_others() {
    let (world, workflow) = world_of(1).await;
    let counted = Counted { takes_ms: 600_000, ..Counted::default() };
    let dying = world.engine(counted.named("dying")).await;
    let ids = accept(&world, workflow, 1).await;
    pass(3_000).await;
    assert_eq!(counted.runs_of("dying"), 1);
    let dead = dying.handle().worker_id().unwrap();
    drop(dying);
    world.store.memory.end_session(dead);

    let quick = Counted { takes_ms: 10, ..counted.clone() };
    let _next = world.engine(quick.named("next")).await;
    pass(30_000).await;
    assert_eq!(world.get(ids[0]).await.status, ExecutionStatus::Completed);
    assert_eq!(counted.runs_of("next"), 3);
}

#[tokio::test(start_paused = true)]
async fn permits_that_are_not_used_are_given_back_and_nothing_is_asked_any_more() {
    let (world, workflow) = world_of(3).await;
    let counted = Counted { takes_ms: 10, ..Counted::default() };
    let engine = world.engine(counted.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    world.completed(id).await;
    let other = a_worker(world.ids.as_ref());
    world.store.memory.register(&other).await.unwrap();
    assert_eq!(take(&world, other.id, 3).await.granted, 0, "they are kept a moment for what comes next");
    pass(2_000).await;

    assert_eq!(take(&world, other.id, 3).await.granted, 3);
    let before = world.store.calls(Some("permit.take"));
    pass(60_000).await;
    assert_eq!(world.store.calls(Some("permit.take")), before);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_else_wants_an_agent_its_attempts_ask_for_nothing() {
    let (world, workflow) = world_of(2).await;
    let counted = Counted { takes_ms: 1, ..Counted::default() };
    let engine = world.engine(counted.clone()).await;
    for _ in 0..100 {
        let id = world.start(&engine.handle(), workflow, json!({})).await;
        world.completed(id).await;
    }
    assert_eq!(counted.runs_of(""), 300);
    let asked = world.store.calls(Some("permit.take"));
    assert!(asked < 30, "{asked}");
}
