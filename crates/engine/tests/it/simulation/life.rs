//! One life by its seed: a few workflows, a few workers, and misfortunes until it is quiet and everything has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use turbocat_domain::{
    document::Document,
    execution::Execution,
    id::{ExecutionId, WorkflowId},
    plan::{Plan, StepBinding},
    port::{EventQueries, ExecutionAcceptor, ExecutionQueue, NewExecution, Queries, WorkerRepository},
};
use turbocat_engine::{Engine, EngineOptions, Ports};
use turbocat_testkit::{
    clock::epoch,
    faulty::{FaultPlan, FaultRates},
    random::Random,
};

use super::{
    checks,
    document::{EVENT, random_document, random_input},
    station::{Station, Surroundings, Weather},
    tally::Tally,
    trace::{Keep, Told, Trace},
    witness::{PAUSE_TAKES, Witness},
};
use crate::world::{World, pass};

/// Nothing takes longer than this once nothing goes wrong any more.
const BOUND: Duration = Duration::from_mins(30);

/// The database's time, in a life that began then.
pub(crate) fn now_since(start: Instant) -> DateTime<Utc> {
    epoch() + start.elapsed()
}

/// How a life went.
#[derive(Debug, Default)]
pub(crate) struct Lived {
    pub(crate) told: Told,
    pub(crate) tally: Tally,
    /// What did not hold.
    pub(crate) violations: Vec<String>,
}

/// Lives through a seed, in a runtime of its own.
pub(crate) fn live(seed: u64, keep: Keep) -> Lived {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut life = Life::new(seed, keep).await;
        life.pass_by().await;
        let ended = life.come_to_rest().await;
        if ended {
            checks::after_the_end(&life).await;
        }
        let around = &life.around;
        Lived { told: around.trace.told(), tally: around.witness.tally(), violations: around.witness.violations() }
    })
}

/// A world under way.
pub(crate) struct Life {
    pub(crate) world: World,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) engines: Vec<(Engine, Arc<Station>)>,
    /// Executions whose acceptance was confirmed.
    pub(crate) accepted: Arc<Mutex<BTreeSet<ExecutionId>>>,
    random: Random,
    pub(crate) options: EngineOptions,
    plans: BTreeMap<WorkflowId, Arc<Plan>>,
    /// What is started, with the paths of its approvals.
    roots: Vec<(WorkflowId, Vec<String>)>,
    /// What was started.
    started: Vec<(ExecutionId, Vec<String>)>,
    stations: u64,
    tasks: TaskTracker,
}

impl Life {
    async fn new(seed: u64, keep: Keep) -> Self {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let mut world = World::new().await;
        let roots = publish(&mut world, &mut random).await;
        let plans = compile(&world).await;
        let memory = world.store.memory.clone();
        let rates = random.pick(&[(0, 0), (20, 20), (60, 60), (150, 50), (30, 200)]).copied().unwrap();
        let rates = FaultRates { before_per_mille: rates.0, after_per_mille: rates.1 };
        let weather = Weather {
            latency_ms: *random.pick(&[0, 0, 3, 20, 200]).unwrap(),
            stalls_per_mille: *random.pick(&[0, 0, 3, 10]).unwrap(),
            random: Random::new(random.next()),
            down_until: start,
        };
        let around = Surroundings {
            seed,
            start,
            faults: FaultPlan::new(random.next(), rates),
            trace: Trace::new(keep),
            witness: Witness::new(memory.clone(), plans.clone()),
            weather: Mutex::new(weather),
            memory,
        };
        let options = random_options(&mut random);
        Self {
            world,
            around: Arc::new(around),
            engines: Vec::new(),
            accepted: Arc::default(),
            random,
            options,
            plans,
            roots,
            started: Vec::new(),
            stations: 0,
            tasks: TaskTracker::new(),
        }
    }

    /// The time in which things go wrong.
    async fn pass_by(&mut self) {
        for _ in 0..=self.random.below(3) {
            self.start_engine().await;
        }
        let rounds = 6 + self.random.below(10);
        for _ in 0..rounds {
            self.bring_work().await;
            self.bring_news().await;
            self.misfortune().await;
            pass(self.random.below(4_000)).await;
            checks::in_between(self).await;
        }
    }

    /// Nothing goes wrong any more. Returns whether everything has ended in time.
    async fn come_to_rest(&mut self) -> bool {
        self.tell("calm", &());
        self.around.faults.set_rates(FaultRates::default());
        {
            let mut weather = self.around.weather();
            weather.stalls_per_mille = 0;
            weather.down_until = Instant::now();
        }
        self.start_engine().await;
        self.resume_all().await;
        let began = Instant::now();
        while began.elapsed() < BOUND {
            if self.is_at_rest().await {
                // What is on its way still, from workers long dead, arrives and changes nothing.
                pass(21_000).await;
                if self.is_at_rest().await {
                    return true;
                }
            }
            pass(1_000).await;
            checks::in_between(self).await;
        }
        for execution in checks::all(&self.world).await.iter().filter(|execution| !execution.status.is_terminal()) {
            let records = self.world.records(execution.id).await;
            self.around.witness.accuse(format!("this has not ended within {BOUND:?}: {execution:?} {records:?}"));
        }
        false
    }

    /// Lets what is paused go on, after so long that nothing of it may begin any more before that.
    async fn resume_all(&mut self) {
        let is_paused = |execution: &Execution| execution.paused.is_some();
        if !checks::all(&self.world).await.iter().any(is_paused) {
            return;
        }
        pass(u64::try_from(PAUSE_TAKES.num_milliseconds()).unwrap() + 10_000).await;
        self.now();
        for execution in checks::all(&self.world).await.into_iter().filter(is_paused) {
            self.tell("resume", &execution.id);
            self.around.witness.count(|tally| tally.held_back += 1);
            self.world.resume(execution.id).await;
        }
    }

    /// Whether everything has ended, and nothing new is about to come.
    async fn is_at_rest(&self) -> bool {
        let all = checks::all(&self.world).await;
        self.tasks.is_empty() && all.iter().all(|execution| execution.status.is_terminal())
    }

    pub(crate) fn tell(&self, what: &str, of: &dyn std::fmt::Debug) {
        self.around.trace.tell(format_args!("{what} {of:?}"));
    }

    async fn start_engine(&mut self) {
        self.stations += 1;
        let station = Station::new(self.stations, &self.around);
        let ports = Ports {
            workers: station.clone(),
            queue: station.clone(),
            journal: station.clone(),
            parts: station.clone(),
            budgets: station.clone(),
            permits: station.clone(),
            events: station.clone(),
            logs: station.clone(),
            counters: station.clone(),
            schedules: station.clone(),
            runner: station.clone(),
            ..self.world.ports(turbocat_testkit::runner::ScriptedRunner::new())
        };
        // Registering may fail, as everything else.
        if let Ok(engine) = Engine::start(self.options.clone(), ports).await {
            self.engines.push((engine, station));
        }
    }

    /// New executions: through an engine, or past all of them.
    async fn bring_work(&mut self) {
        if self.started.len() > 8 {
            return;
        }
        for _ in 0..self.random.below(3) {
            let (workflow, approvals) = self.random.pick(&self.roots).cloned().unwrap();
            let new = self.new_execution(workflow);
            self.tell("accept", &new.id);
            self.started.push((new.id, approvals));
            let accepted = Arc::clone(&self.accepted);
            let note = move |id| accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            if let Some((engine, _)) = self.random.pick(&self.engines)
                && self.random.clone().below(2) == 0
            {
                let handle = engine.handle();
                self.tasks.spawn(async move {
                    let id = new.id;
                    if handle.accept(vec![new]).await.is_ok() {
                        note(id);
                    }
                });
            } else {
                self.now();
                ExecutionQueue::insert(&self.around.memory, std::slice::from_ref(&new), None).await.unwrap();
                note(new.id);
            }
        }
    }

    fn new_execution(&mut self, workflow: WorkflowId) -> NewExecution {
        let plan = &self.plans[&workflow];
        let (steps_total, timeout_ms) = (plan.steps_total(), plan.settings().timeout_ms);
        let input = random_input(&mut self.random);
        NewExecution { steps_total, timeout_ms, ..self.world.execution(workflow, input) }
    }

    /// Lets the store's time catch up, before it is called past all stations.
    fn now(&self) {
        self.around.memory.clock().advance_to(now_since(self.around.start));
    }

    /// Events, decisions and cancels.
    async fn bring_news(&mut self) {
        self.now();
        if self.random.below(2) == 0 {
            let event = self.world.event(EVENT, json!({ "n": self.random.below(4) }), None);
            self.around.memory.publish(&event).await.unwrap();
            self.around.witness.count(|tally| tally.events += 1);
        }
        let Some((id, approvals)) = self.random.pick(&self.started).cloned() else { return };
        if let Some(path) = self.random.pick(&approvals) {
            let payload = json!({ "approved": self.random.clone().below(3) > 0, "by": self.random.clone().below(2) });
            let event = self.world.event("approval", payload, Some((id, path.clone())));
            self.around.memory.publish(&event).await.unwrap();
            self.around.witness.count(|tally| tally.approvals += 1);
        }
        if self.random.below(8) == 0 {
            self.tell("cancel", &id);
            ExecutionQueue::request_cancel(&self.around.memory, id).await.unwrap();
        }
        match self.random.below(12) {
            0 | 1 => {
                self.tell("pause", &id);
                self.world.pause(id).await;
            }
            2 => {
                self.tell("resume", &id);
                self.world.resume(id).await;
            }
            _ => {}
        }
        if self.random.below(4) == 0
            && let Some((engine, _)) = self.random.pick(&self.engines)
        {
            engine.handle().wake();
        }
    }

    /// One misfortune, or none.
    async fn misfortune(&mut self) {
        let kind = self.random.below(16);
        self.tell("misfortune", &kind);
        let count = self.engines.len();
        if count == 0 || (kind > 8 && kind < 11 && count < 4) {
            return self.start_engine().await;
        }
        let victim = usize::try_from(self.random.below(count as u64)).unwrap();
        let worker = self.engines[victim].0.handle().worker_id();
        let ms = 500 + self.random.below(24_000);
        self.now();
        match (kind, worker) {
            (0, _) => drop(self.engines.swap_remove(victim)),
            (1, Some(worker)) => {
                drop(self.engines.swap_remove(victim));
                self.around.memory.end_session(worker);
            }
            (2, Some(worker)) => self.around.memory.end_session(worker),
            (3, Some(worker)) => drop(WorkerRepository::release(&self.around.memory, worker).await.unwrap()),
            (4, _) => {
                let (engine, _) = self.engines.swap_remove(victim);
                let patience = Duration::from_millis(self.random.below(2_000));
                self.tasks.spawn(async move { engine.drain(patience).await });
            }
            (5, _) => self.around.weather().down_until = Instant::now() + Duration::from_millis(ms),
            (6, _) => self.engines[victim].1.cut_off(ms),
            (7 | 8, _) => self.engines[victim].1.pause(ms),
            _ => return,
        }
        self.around.witness.count(|tally| match kind {
            0 => tally.killed += 1,
            1 | 2 => tally.sessions_ended += 1,
            3 => tally.fenced += 1,
            4 => tally.drained += 1,
            5 => tally.outages += 1,
            6 => tally.partitions += 1,
            _ => tally.pauses += 1,
        });
    }
}

/// Publishes what is run. Returns what is started from outside.
async fn publish(world: &mut World, random: &mut Random) -> Vec<(WorkflowId, Vec<String>)> {
    let child = random_document(random, "child", &[]);
    world.workflow(child.document).await;
    world.workflow_agent("call", "child").await;
    let never = json!({ "key": "never", "type": "wait", "config": { "event": { "name": "never" } } });
    let waiting = json!({ "name": "waiting", "settings": { "timeout_ms": 60_000 }, "steps": [never] });
    world.workflow(waiting).await;
    world.workflow_agent("call-waiting", "waiting").await;
    let mut roots = Vec::new();
    for (name, callees) in [("one", &["call", "call", "call-waiting"][..]), ("two", &[])] {
        let written = random_document(random, name, callees);
        roots.push((world.workflow(written.document).await, written.approvals));
    }
    roots
}

/// The plans of all that is published, as an engine compiles them.
async fn compile(world: &World) -> BTreeMap<WorkflowId, Arc<Plan>> {
    let mut plans = BTreeMap::new();
    for (id, workflow) in &world.workflows {
        let steps = world.store.memory.workflows().steps(*id).await.unwrap();
        let bindings = steps
            .iter()
            .map(|step| (step.step_key.clone(), StepBinding { workflow_step_id: step.id, agent_id: step.agent_id }))
            .collect();
        let document = Document::parse(&workflow.definition).unwrap();
        plans.insert(*id, Arc::new(Plan::compile(&document, &bindings).unwrap()));
    }
    plans
}

/// Settings at which the engine's limits are met.
fn random_options(random: &mut Random) -> EngineOptions {
    EngineOptions {
        takeovers_max: *random.pick(&[0, 1, 3]).unwrap(),
        max_executions: *random.pick(&[2, 5, 2_000]).unwrap(),
        claim_batch: *random.pick(&[1, 3, 500]).unwrap(),
        park_after: Duration::from_millis(*random.pick(&[1_000, 5_000]).unwrap()),
        batch_records_max: *random.pick(&[1, 3, 4_000]).unwrap(),
        ..World::options("simulated")
    }
}
