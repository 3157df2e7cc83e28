//! Agents that take many turns: what they recorded outlives attempts and workers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentStatus, AgentType},
    execution::ExecutionStatus,
    id::ExecutionId,
    port::{
        AgentCall, AgentFilter, AgentRunner, ExecutionFilter, LogSink, PageRequest, PartJournal, PartKind, StepPart,
        StepPlace, WorkerRepository, WorkflowCall,
    },
    step_run::StepError,
};
use turbocat_engine::EngineOptions;

use crate::world::{World, chain, pass};

/// Takes as many turns as it is told, a second each, and records every one; remembers each that it began.
#[derive(Clone, Default)]
struct Turns {
    began: Arc<Mutex<Vec<(u16, u64)>>>,
    /// The turns at which the attempt fails, once each.
    fails: Arc<Mutex<Vec<u64>>>,
    /// Calls this workflow after the turns.
    workflow: Option<String>,
}

impl Turns {
    fn began(&self) -> Vec<u64> {
        self.began.lock().unwrap().iter().map(|(_, turn)| *turn).collect()
    }
}

#[async_trait]
impl AgentRunner for Turns {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        if call.agent.name.as_str() != "turns" {
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Ok(call.inputs);
        }
        let turns = call.inputs["turns"].as_u64().unwrap();
        let mut said: Vec<Value> = call.host.recorded().await?.into_iter().map(|part| part.data).collect();
        for turn in said.len() as u64..turns {
            self.began.lock().unwrap().push((call.attempt, turn));
            tokio::time::sleep(Duration::from_secs(1)).await;
            {
                let mut fails = self.fails.lock().unwrap();
                if let Some(index) = fails.iter().position(|fail| *fail == turn) {
                    fails.remove(index);
                    return Err(StepError::transient("busy", "not now"));
                }
            }
            let part = StepPart { key: format!("turn.{turn}"), kind: PartKind::Turn, data: json!(turn) };
            said.push(call.host.record(part, None).await?);
        }
        if let Some(workflow) = &self.workflow {
            let call_of = WorkflowCall {
                key: "call.1".to_owned(),
                workflow: workflow.clone(),
                inputs: json!({ "n": 7 }),
                waits: true,
            };
            said.push(call.host.run_workflow(call_of).await?);
        }
        Ok(Value::Array(said))
    }
}

async fn world_of_turns(turns: u64, retries: u32) -> (World, turbocat_domain::id::WorkflowId) {
    let mut world = World::new().await;
    let config = json!({ "prompt": "p", "tools": [] });
    world.agent("turns", |agent| Agent { kind: AgentType::Llm, config, ..agent }).await;
    let workflow = world
        .workflow(json!({ "name": "talk", "steps": [{
            "key": "talk", "type": "agent", "agent": "turns", "inputs": { "turns": turns },
            "retry_count": retries, "retry_delay_ms": 100, "timeout_ms": 600_000,
        }] }))
        .await;
    (world, workflow)
}

fn talk_of(execution_id: ExecutionId) -> StepPlace {
    StepPlace { execution_id, path: "talk".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_step_goes_on_behind_the_last_turn_that_was_recorded_whoever_dies_and_however_often() {
    let (world, workflow) = world_of_turns(12, 0).await;
    let runner = Turns::default();
    let mut engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    let mut deaths = 0;
    while world.get(id).await.status != ExecutionStatus::Completed && deaths < 20 {
        // Long enough to be claimed and take a turn or two; then the process is gone.
        pass(2_700).await;
        if world.get(id).await.status == ExecutionStatus::Completed {
            break;
        }
        let dead = engine.handle().worker_id();
        drop(engine);
        deaths += 1;
        if let Some(dead) = dead {
            world.store.memory.end_session(dead);
        }
        engine = world.engine(runner.clone()).await;
    }
    let execution = world.completed(id).await;

    assert_eq!(execution.output_data, json!((0..12).collect::<Vec<u64>>()));
    let began = runner.began();
    assert!(deaths >= 3, "{deaths}");
    // In order, and a turn is begun again only if it was in flight at a death.
    assert!(began.is_sorted());
    assert!(began.len() <= 12 + deaths, "{deaths} deaths: {began:?}");
    assert_eq!(world.store.parts(&talk_of(id)).await.unwrap().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_goes_on_where_the_one_before_failed() {
    let (world, workflow) = world_of_turns(6, 3).await;
    let runner = Turns { fails: Arc::new(Mutex::new(vec![2, 2, 4])), ..Turns::default() };
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    assert_eq!(world.completed(id).await.output_data, json!([0, 1, 2, 3, 4, 5]));
    let began = runner.began.lock().unwrap().clone();
    assert_eq!(began, [(1, 0), (1, 1), (1, 2), (2, 2), (3, 2), (3, 3), (3, 4), (4, 4), (4, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_worker_records_no_turn_and_its_life_ends() {
    let (world, workflow) = world_of_turns(4, 0).await;
    let runner = Turns::default();
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(1_500).await;
    let before = engine.handle().worker_id().unwrap();
    // Somebody else takes it for dead; nothing but the turn will tell it.
    world.store.release(before).await.unwrap();
    let recorded = world.store.parts(&talk_of(id)).await.unwrap().len();
    pass(600).await;
    assert_eq!(world.store.parts(&talk_of(id)).await.unwrap().len(), recorded, "the turn in flight is refused");

    assert_eq!(world.completed(id).await.output_data, json!([0, 1, 2, 3]));
    assert_ne!(engine.handle().worker_id(), Some(before));
    assert_eq!(runner.began(), [0, 1, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_record_is_not_a_second_turn() {
    let (world, workflow) = world_of_turns(30, 0).await;
    let runner = Turns::default();
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    world.store.faults.set_rates(turbocat_testkit::faulty::FaultRates { before_per_mille: 200, after_per_mille: 200 });
    pass(20_000).await;
    world.store.faults.set_rates(turbocat_testkit::faulty::FaultRates::default());

    let execution = world.completed(id).await;
    assert_eq!(execution.output_data, json!((0..30).collect::<Vec<u64>>()));
    let count = world.store.faults.count("part.record");
    assert!(count.failed_before > 0 && count.failed_after > 0, "{count:?}");
    drop(engine);
}

async fn children_of(world: &World, parent: ExecutionId) -> Vec<turbocat_domain::execution::Execution> {
    let filter = ExecutionFilter { parent: Some(parent), ..ExecutionFilter::default() };
    world.store.queries().executions().list(&filter, PageRequest::default()).await.unwrap().items
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_an_attempt_calls_is_one_child_whoever_dies() {
    let (mut world, workflow) = world_of_turns(1, 0).await;
    let mut child = chain("child", 1);
    child["steps"][0]["inputs"] = json!({ "n": "${{ input.n }}" });
    world.workflow(child).await;
    let runner = Turns { workflow: Some("child".to_owned()), ..Turns::default() };
    let engine = world.engine(runner.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    // The child runs.
    pass(2_500).await;
    assert_eq!(children_of(&world, id).await.len(), 1);
    let dead = engine.handle().worker_id().unwrap();
    drop(engine);
    world.store.memory.end_session(dead);
    let engine = world.engine(runner.clone()).await;

    assert_eq!(world.completed(id).await.output_data, json!([0, { "n": 7 }]));
    let children = children_of(&world, id).await;
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].parent, Some((id, "talk/call.1".to_owned())));
    assert_eq!(runner.began(), [0]);
    drop(engine);
}

#[tokio::test(start_paused = true)]
async fn a_child_of_an_attempt_is_cancelled_with_its_execution() {
    let (mut world, workflow) = world_of_turns(0, 0).await;
    world.workflow(chain("child", 20)).await;
    let runner = Turns { workflow: Some("child".to_owned()), ..Turns::default() };
    let options = EngineOptions { max_executions: 10, ..World::options("one") };
    let engine = turbocat_engine::Engine::start(options, world.ports(runner)).await.unwrap();
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(4_000).await;
    world.cancel(id).await;
    engine.handle().wake();

    assert_eq!(world.ended(id).await.status, ExecutionStatus::Cancelled);
    pass(3_000).await;
    let children = children_of(&world, id).await;
    assert_eq!(children.iter().map(|child| child.status).collect::<Vec<_>>(), [ExecutionStatus::Cancelled]);
    drop(engine);
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_is_not_there_is_an_error_of_the_call() {
    let (world, workflow) = world_of_turns(0, 0).await;
    let runner = Turns { workflow: Some("nobody".to_owned()), ..Turns::default() };
    let engine = world.engine(runner).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let execution = world.ended(id).await;
    assert_eq!(execution.error_code.as_deref(), Some("workflow_not_found"));
    drop(engine);
}

/// Looks agents up, and answers with what it found.
struct Looker;

#[async_trait]
impl AgentRunner for Looker {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let mut found = Vec::new();
        for name in call.inputs["names"].as_array().unwrap() {
            found.push(match call.host.agent(name.as_str().unwrap()).await {
                Ok(agent) => json!(agent.name.as_str()),
                Err(error) => json!(error.code),
            });
        }
        Ok(Value::Array(found))
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_finds_active_agents_by_name_and_by_id() {
    let (mut world, _) = world_of_turns(0, 0).await;
    world.agent("retired", |agent| Agent { status: AgentStatus::Inactive, ..agent }).await;
    let queries = world.store.queries();
    let all = queries.agents().list(&AgentFilter::default(), PageRequest::default()).await.unwrap().items;
    let id_of = |name: &str| all.iter().find(|agent| agent.name.as_str() == name).unwrap().id.to_string();
    let names = json!(["turns", "nobody", "retired", id_of("echo"), id_of("retired")]);
    let step = json!({ "key": "look", "type": "agent", "agent": "turns", "inputs": { "names": names } });
    let workflow = world.workflow(json!({ "name": "look", "steps": [step] })).await;
    let engine = world.engine(Looker).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;

    let missing = "agent_not_found";
    assert_eq!(world.completed(id).await.output_data, json!(["turns", missing, missing, "echo", missing]));
}
