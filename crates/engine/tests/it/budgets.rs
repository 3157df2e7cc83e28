//! Steps that wait for a budget: they fail nothing, keep nothing, and go on where they were.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentType},
    budget::{Budget, BudgetPeriod, BudgetScope, BudgetUnit, Estimate},
    execution::ExecutionStatus,
    id::{BudgetId, WorkflowId},
    port::{
        AgentCall, AgentRunner, IdGenerator, LogFilter, LogSink, PageRequest, PartKind, Queries, Reservation, StepPart,
        Store,
    },
    step_run::{StepError, StepOutcome},
    usage::{Charge, Tokens},
};

use crate::world::{World, pass};

/// Takes three turns of ten tokens each; remembers which, and of which attempt.
#[derive(Clone, Default)]
struct Talker(Arc<Mutex<Vec<(u16, usize)>>>);

impl Talker {
    fn turns(&self) -> Vec<(u16, usize)> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl AgentRunner for Talker {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let mut said: Vec<Value> = call.host.recorded().await?.into_iter().map(|part| part.data).collect();
        for turn in said.len()..3 {
            let key = format!("turn.{turn}");
            let estimate = Estimate { tokens: 10, nano_usd: Some(0) };
            let agent_name = call.agent.name.clone();
            call.host.reserve(Reservation { key: key.clone(), agent_name: agent_name.clone(), estimate }).await?;
            self.0.lock().unwrap().push((call.attempt, turn));
            tokio::time::sleep(Duration::from_millis(100)).await;
            let charge = Charge {
                agent_id: call.agent.id,
                agent_name,
                provider: "p".to_owned(),
                model: "m".to_owned(),
                tokens: Tokens { input: 6, output: 4, cached_input: 0 },
                nano_usd: Some(0),
                price_version: None,
            };
            let part = StepPart { key, kind: PartKind::Turn, data: json!(turn) };
            said.push(call.host.record(part, Some(charge)).await?);
        }
        Ok(Value::Array(said))
    }
}

async fn talking(settings: Value) -> (World, WorkflowId) {
    let mut world = World::new().await;
    world.agent("talker", |agent| Agent { kind: AgentType::Llm, config: json!({ "prompt": "p" }), ..agent }).await;
    let step = json!({ "key": "talk", "type": "agent", "agent": "talker" });
    let workflow = world.workflow(json!({ "name": "talk", "settings": settings, "steps": [step] })).await;
    (world, workflow)
}

async fn set(world: &World, scope: BudgetScope, amount: u64) -> BudgetId {
    let now = turbocat_domain::port::Clock::now(world.store.memory.clock());
    let budget = Budget {
        id: BudgetId::from_uuid(world.ids.next()),
        user_id: world.user,
        scope,
        unit: BudgetUnit::Tokens,
        period: BudgetPeriod::Total,
        amount,
        created_at: now,
        updated_at: now,
    };
    let mut uow = world.store.memory.begin().await.unwrap();
    let id = uow.budgets().put(&budget).await.unwrap();
    uow.commit().await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn a_step_waits_for_its_budget_without_failing_and_goes_on_when_it_is_raised() {
    let (world, workflow) = talking(json!({})).await;
    let budget = set(&world, BudgetScope::User, 15).await;
    let talker = Talker::default();
    let engine = world.engine(talker.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(20_000).await;

    assert_eq!(talker.turns(), [(1, 0)]);
    let stored = world.get(id).await;
    assert_eq!(stored.status, ExecutionStatus::Running);
    assert_eq!(world.store.memory.owner_of(id), None, "it is parked meanwhile");
    let records = world.records(id).await;
    assert!(records.iter().all(|record| record.outcome == StepOutcome::Running), "{records:?}");
    let lines = world.store.memory.executions();
    let lines = lines.logs(id, &LogFilter::default(), PageRequest::default()).await.unwrap().items;
    let why =
        lines.iter().find_map(|line| Some(line.message.as_str()).filter(|text| text.contains("waits for a budget")));
    assert!(why.unwrap().contains(&format!("set it ({budget}) to 20 tokens or more")), "{why:?}");

    set(&world, BudgetScope::User, 30).await;
    pass(3_000).await;
    assert_eq!(world.completed(id).await.output_data, json!([0, 1, 2]));
    assert_eq!(talker.turns(), [(1, 0), (1, 1), (1, 2)], "the same attempt, and no turn twice");
    let standing = world.store.memory.budgets().get(budget).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (30, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_workflow_lets_each_execution_use_holds_it_back() {
    let (world, workflow) = talking(json!({ "budget": { "tokens": 20 } })).await;
    let talker = Talker::default();
    let engine = world.engine(talker.clone()).await;
    let (one, two) = (
        world.start(&engine.handle(), workflow, json!({})).await,
        world.start(&engine.handle(), workflow, json!({})).await,
    );
    pass(10_000).await;
    assert_eq!(talker.turns().len(), 4, "each has its own");

    set(&world, BudgetScope::Execution(one), 30).await;
    assert_eq!(world.completed(one).await.output_data, json!([0, 1, 2]));
    assert_eq!(world.get(two).await.status, ExecutionStatus::Running);
    world.cancel(two).await;
    assert_eq!(world.ended(two).await.status, ExecutionStatus::Cancelled, "what waits can be cancelled");
}

#[tokio::test(start_paused = true)]
async fn what_others_give_back_lets_a_step_go_on_by_itself() {
    let (world, workflow) = talking(json!({})).await;
    set(&world, BudgetScope::User, 60).await;
    let talker = Talker::default();
    let engine = world.engine(talker.clone()).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(world.start(&engine.handle(), workflow, json!({})).await);
    }
    for id in ids {
        world.completed(id).await;
    }
    let total = world.store.memory.usage().of_execution(ids_of(&world).await[0]).await.unwrap().0;
    assert_eq!(total.tokens.total(), 30);
}

async fn ids_of(world: &World) -> Vec<turbocat_domain::id::ExecutionId> {
    let filter = turbocat_domain::port::ExecutionFilter::default();
    let page = world.store.memory.executions().list(&filter, PageRequest::default()).await.unwrap();
    page.items.iter().map(|execution| execution.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_for_a_budget_is_found_by_who_takes_its_execution_over() {
    let (world, workflow) = talking(json!({})).await;
    set(&world, BudgetScope::User, 25).await;
    let talker = Talker::default();
    let engine = world.engine(talker.clone()).await;
    let id = world.start(&engine.handle(), workflow, json!({})).await;
    pass(2_000).await;
    let dead = engine.handle().worker_id().unwrap();
    drop(engine);
    world.store.memory.end_session(dead);
    let _next = world.engine(talker.clone()).await;
    pass(20_000).await;
    assert_eq!(talker.turns(), [(1, 0), (1, 1)]);

    set(&world, BudgetScope::User, 100).await;
    world.completed(id).await;
    assert_eq!(talker.turns(), [(1, 0), (1, 1), (1, 2)]);
}
