//! Whole lives by seed: workers that are killed, fenced and drained, storage that fails before and after it did what
//! it was asked. Whatever happens, every execution completes, and the two rules of the protocol hold at every call
//! of an agent.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    execution::{Execution, ExecutionStatus},
    id::ExecutionId,
    port::{
        AgentCall, AgentRunner, EventQueries, ExecutionFilter, ExecutionQueue, LogSink, NewExecution, PageRequest,
        Queries, WorkerRepository,
    },
    step_run::{StepError, StepOutcome, StepRecord},
};
use turbocat_engine::Engine;
use turbocat_testkit::{faulty::FaultRates, memory::MemoryStore, random::Random};

use crate::world::{World, pass};

/// An agent that takes a while, and checks at each call what is durable by then.
#[derive(Clone)]
struct Witness {
    store: MemoryStore,
    calls: Arc<AtomicU64>,
    seen: Arc<Mutex<BTreeSet<(ExecutionId, String, u16)>>>,
    repeated: Arc<AtomicU64>,
}

#[async_trait]
impl AgentRunner for Witness {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let nth = self.calls.fetch_add(1, Ordering::SeqCst);
        if !self.seen.lock().unwrap().insert((call.execution_id, call.path.clone(), call.attempt)) {
            self.repeated.fetch_add(1, Ordering::SeqCst);
        }
        let records = self.store.executions().step_records(call.execution_id).await.unwrap();
        let ended = |record: &&StepRecord| record.outcome != StepOutcome::Running;
        let again =
            records.iter().filter(ended).find(|record| (&record.path, record.attempt) == (&call.path, call.attempt));
        assert!(again.is_none(), "a committed attempt runs again: {again:?}");
        for before in call.inputs["after"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let is_durable = records.iter().filter(ended).any(|record| record.path == before);
            assert!(is_durable, "{} started before {before} was durable", call.path);
        }
        tokio::time::sleep(Duration::from_millis(nth * 37 % 900)).await;
        if call.path == "flaky" && call.attempt == 1 {
            return Err(StepError::transient("busy", "the first attempt always fails"));
        }
        if call.path == "bad" {
            return Err(StepError::permanent("bad", "it always fails"));
        }
        Ok(json!(call.path))
    }
}

/// Something of everything: a chain, a join, a loop, a map, waits short and long, an event, a child, a retry.
fn document() -> Value {
    let after = |steps: &[&str]| json!({ "after": steps });
    json!({ "name": "all", "steps": [
        { "key": "a", "type": "agent" },
        { "key": "b", "type": "agent", "depends_on": ["a"], "inputs": after(&["a"]) },
        { "key": "c", "type": "agent", "depends_on": ["a"], "inputs": after(&["a"]) },
        { "key": "flaky", "type": "agent", "depends_on": ["b", "c"], "inputs": after(&["b", "c"]),
          "retry_count": 1, "retry_delay_ms": 7_000 },
        { "key": "nap", "type": "wait", "depends_on": ["flaky"], "config": { "duration_ms": 300 } },
        { "key": "sleep", "type": "wait", "depends_on": ["nap"], "config": { "duration_ms": 20_000 } },
        { "key": "each", "type": "loop", "depends_on": ["sleep"],
          "config": { "items": [1, 2, 3], "max_iterations": 5, "body": ["one"] } },
        { "key": "one", "type": "agent", "inputs": after(&["sleep"]) },
        { "key": "wide", "type": "parallel", "depends_on": ["sleep"], "config": { "items": [1, 2, 3, 4], "body": ["two"] } },
        { "key": "two", "type": "agent", "inputs": after(&["sleep"]) },
        { "key": "call", "type": "agent", "agent": "call", "depends_on": ["each", "wide"] },
        { "key": "go", "type": "wait", "depends_on": ["a"], "config": { "event": { "name": "go" } } },
        { "key": "end", "type": "agent", "depends_on": ["call", "go"], "inputs": after(&["call", "go"]) },
    ] })
}

/// Fails for good while its child waits for what never comes: the child ends only if it is cancelled.
fn doomed() -> Value {
    json!({ "name": "doomed", "steps": [
        { "key": "call", "type": "agent", "agent": "call-waiting" },
        { "key": "soon", "type": "wait", "config": { "duration_ms": 9_000 } },
        { "key": "bad", "type": "agent", "depends_on": ["soon"] },
    ] })
}

struct Simulation {
    world: World,
    witness: Witness,
    engines: Vec<Engine>,
    random: Random,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let mut world = World::new().await;
        world.workflow(json!({ "name": "child", "steps": [{ "key": "inner", "type": "agent" }] })).await;
        world.workflow_agent("call", "child").await;
        let never = json!({ "key": "never", "type": "wait", "config": { "event": { "name": "never" } } });
        world.workflow(json!({ "name": "waiting", "steps": [never] })).await;
        world.workflow_agent("call-waiting", "waiting").await;
        let witness = Witness {
            store: world.store.memory.clone(),
            calls: Arc::default(),
            seen: Arc::default(),
            repeated: Arc::default(),
        };
        Self { world, witness, engines: Vec::new(), random: Random::new(seed) }
    }

    async fn start_engine(&mut self) {
        // Registering may fail, as everything else.
        let mut options = World::options("simulated");
        options.max_executions = 20;
        if let Ok(engine) = Engine::start(options, self.world.ports(self.witness.clone())).await {
            self.engines.push(engine);
        }
    }

    /// One misfortune, or none. Returns whether a worker was lost.
    async fn misfortune(&mut self) -> bool {
        let count = u64::try_from(self.engines.len()).unwrap();
        if count == 0 {
            self.start_engine().await;
            return false;
        }
        let victim = usize::try_from(self.random.below(count)).unwrap();
        match self.random.below(12) {
            0 => drop(self.engines.swap_remove(victim)),
            1 => {
                let id = self.engines[victim].handle().worker_id();
                drop(self.engines.swap_remove(victim));
                if let Some(id) = id {
                    self.world.store.memory.end_session(id);
                }
            }
            2 => {
                if let Some(id) = self.engines[victim].handle().worker_id() {
                    WorkerRepository::release(&self.world.store.memory, id).await.unwrap();
                }
            }
            3 => {
                let engine = self.engines.swap_remove(victim);
                engine.drain(Duration::from_millis(500)).await;
            }
            4 | 5 if count < 4 => {
                self.start_engine().await;
                return false;
            }
            6 => {
                self.world.store.is_down.store(true, Ordering::SeqCst);
                pass(self.random.below(15_000)).await;
                self.world.store.is_down.store(false, Ordering::SeqCst);
            }
            _ => return false,
        }
        true
    }
}

/// What happened in a simulation, so that it cannot pass without anything having happened.
#[derive(Debug, Default)]
struct Tally {
    lost_workers: u64,
    poisoned: u64,
    cancelled: u64,
    orphans: u64,
    failed_before: u64,
    failed_after: u64,
    calls: u64,
    repeated: u64,
}

impl Tally {
    /// Adds what was counted elsewhere.
    fn count(&mut self, simulation: &Simulation) {
        for count in simulation.world.store.faults.counts().values() {
            self.failed_before += count.failed_before;
            self.failed_after += count.failed_after;
        }
        self.calls += simulation.witness.calls.load(Ordering::SeqCst);
        self.repeated += simulation.witness.repeated.load(Ordering::SeqCst);
    }
}

async fn live_through(seed: u64, tally: &mut Tally) {
    let mut simulation = Simulation::new(seed).await;
    let workflow = simulation.world.workflow(document()).await;
    let news: Vec<NewExecution> = (0..30).map(|_| simulation.world.execution(workflow, json!({}))).collect();
    let ids: Vec<_> = news.iter().map(|new| new.id).collect();
    let doomed = simulation.world.workflow(doomed()).await;
    let doomed: Vec<NewExecution> = (0..10).map(|_| simulation.world.execution(doomed, json!({}))).collect();
    for news in [&news, &doomed] {
        ExecutionQueue::insert(&simulation.world.store.memory, news, None).await.unwrap();
    }
    simulation.world.store.faults.set_rates(FaultRates { before_per_mille: 60, after_per_mille: 60 });
    simulation.world.store.commit_ms.store(simulation.random.below(30), Ordering::SeqCst);
    let cancelled: Vec<_> = ids.iter().step_by(10).copied().collect();
    for round in 0..40 {
        tally.lost_workers += u64::from(simulation.misfortune().await);
        pass(simulation.random.below(4_000)).await;
        if round == 10 {
            for id in &cancelled {
                ExecutionQueue::request_cancel(&simulation.world.store.memory, *id).await.unwrap();
            }
        }
        if round == 20 {
            let event = simulation.world.event("go", json!({}), None);
            simulation.world.store.memory.publish(&event).await.unwrap();
        }
    }
    simulation.start_engine().await;
    simulation.world.store.faults.set_rates(FaultRates::default());
    if simulation.engines.is_empty() {
        simulation.start_engine().await;
    }
    for id in ids {
        let execution = simulation.world.ended(id).await;
        let records = simulation.world.records(id).await;
        // Executions that never get to commit anything between so many deaths may be given up; nothing else.
        let is_poison = execution.error_code.as_deref() == Some("poison");
        tally.poisoned += u64::from(is_poison);
        if cancelled.contains(&id) && execution.status == ExecutionStatus::Cancelled {
            tally.cancelled += 1;
        } else if !is_poison {
            assert_eq!(execution.status, ExecutionStatus::Completed, "seed {seed}: {execution:?} {records:?}");
            assert_eq!(execution.output_data, json!("end"), "seed {seed}");
            assert_eq!(execution.steps_completed, 11, "seed {seed}: {records:?}");
        }
    }
    for new in doomed {
        let execution = simulation.world.ended(new.id).await;
        assert_eq!(execution.status, ExecutionStatus::Failed, "seed {seed}: {execution:?}");
    }
    // Nothing is left behind, children of what was cancelled or failed included.
    pass(60_000).await;
    for execution in all(&simulation.world).await {
        assert!(execution.status.is_terminal(), "seed {seed}: {execution:?}");
        tally.orphans += u64::from(execution.parent.is_some() && execution.status == ExecutionStatus::Cancelled);
    }
    let held: usize = simulation.engines.iter().map(|engine| engine.handle().held()).sum();
    assert_eq!(held, 0, "seed {seed}");
    tally.count(&simulation);
}

async fn all(world: &World) -> Vec<Execution> {
    let mut page = PageRequest { limit: 200, after: None };
    let mut all = Vec::new();
    loop {
        let found = world.store.queries().executions().list(&ExecutionFilter::default(), page).await.unwrap();
        all.extend(found.items);
        page.after = found.next;
        if page.after.is_none() {
            return all;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_every_execution_ends_as_it_should() {
    let mut tally = Tally::default();
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    for seed in 1..=seeds {
        live_through(seed, &mut tally).await;
    }
    println!("{tally:?}");
    assert!(tally.lost_workers > 100 && tally.failed_before > 500 && tally.failed_after > 500, "{tally:?}");
    assert!(tally.repeated > 20 && tally.cancelled > 10 && tally.poisoned * 20 < seeds * 30, "{tally:?}");
    assert!(tally.orphans > seeds * 8, "{tally:?}");
}
