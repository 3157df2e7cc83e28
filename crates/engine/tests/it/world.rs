//! A world for one test: a store, a user, agents and workflows, and as many engines as it wants.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution::{Execution, ExecutionStatus},
    id::{AgentId, ExecutionId, UserId, WorkflowId},
    port::{
        AgentRunner, ExecutionAcceptor, ExecutionQueue, IdGenerator, NewEvent, NewExecution, SchemaProblem,
        SchemaValidator, Store,
    },
    step_run::{StepOutcome, StepRecord},
    value::{Name, StepKey},
    workflow::Workflow,
    workflow_step::{NewWorkflowStep, StepType, WorkflowStep},
};
use turbocat_engine::{Engine, EngineHandle, EngineOptions, Ports};
use turbocat_testkit::{
    builder::{a_new_execution, a_user, a_workflow, an_agent},
    ids::SequentialIds,
};

use crate::observed::Observed;

/// A validator that knows only `required`.
struct Required;

impl SchemaValidator for Required {
    fn check(&self, _schema: &Value) -> Result<(), Vec<SchemaProblem>> {
        Ok(())
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<(), Vec<SchemaProblem>> {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let missing = required.iter().filter_map(Value::as_str).filter(|name| value.get(name).is_none());
        let problems: Vec<_> = missing
            .map(|name| SchemaProblem { pointer: format!("/{name}"), message: "is missing".to_owned() })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// All that a test needs.
pub(crate) struct World {
    pub(crate) store: Arc<Observed>,
    pub(crate) ids: Arc<SequentialIds>,
    pub(crate) user: UserId,
    agents: BTreeMap<String, Agent>,
    pub(crate) workflows: BTreeMap<WorkflowId, Workflow>,
}

impl World {
    /// A world with one agent of type `data`, named `echo`.
    pub(crate) async fn new() -> Self {
        let store = Observed::new();
        let ids = Arc::new(SequentialIds::new(1));
        let user = a_user(ids.as_ref());
        let mut work = store.memory.begin().await.unwrap();
        work.users().insert(&user).await.unwrap();
        work.commit().await.unwrap();
        let mut world = Self { store, ids, user: user.id, agents: BTreeMap::new(), workflows: BTreeMap::new() };
        world.agent("echo", |agent| agent).await;
        world
    }

    /// Adds an agent.
    pub(crate) async fn agent(&mut self, name: &str, change: impl FnOnce(Agent) -> Agent) {
        let plain = Agent {
            name: Name::parse(name).unwrap(),
            max_concurrent_executions: None,
            ..an_agent(self.ids.as_ref(), self.user, AgentType::Data)
        };
        let agent = change(plain);
        let mut work = self.store.memory.begin().await.unwrap();
        work.agents().insert(std::slice::from_ref(&agent)).await.unwrap();
        work.commit().await.unwrap();
        self.agents.insert(name.to_owned(), agent);
    }

    /// Adds an agent that runs a workflow.
    pub(crate) async fn workflow_agent(&mut self, name: &str, workflow: &str) {
        let config = json!({ "workflow": workflow });
        self.agent(name, |agent| Agent { kind: AgentType::Workflow, config, ..agent }).await;
    }

    /// An agent of type `workflow` whose step does not wait for what it starts.
    pub(crate) async fn detached_agent(&mut self, name: &str, workflow: &str) {
        let config = json!({ "workflow": workflow, "wait": false });
        self.agent(name, |agent| Agent { kind: AgentType::Workflow, config, ..agent }).await;
    }

    /// Publishes a workflow; steps without an agent run `echo`.
    pub(crate) async fn workflow(&mut self, mut document: Value) -> WorkflowId {
        document["description"] = json!("a test");
        let echo = &self.agents["echo"];
        let (blank, _) = a_workflow(self.ids.as_ref(), echo, &[]);
        let name = Name::parse(document["name"].as_str().unwrap()).unwrap();
        let steps = document["steps"].as_array_mut().unwrap();
        for step in steps.iter_mut().filter(|step| step["type"] == "agent" && step.get("agent").is_none()) {
            step["agent"] = json!("echo");
        }
        let rows: Vec<WorkflowStep> =
            (0..).zip(&*steps).map(|(position, step)| self.row(&blank, position, step)).collect();
        let schedule_enabled = document["triggers"]["schedule"].is_object();
        let workflow = Workflow { name, definition: document, schedule_enabled, ..blank };
        let mut work = self.store.memory.begin().await.unwrap();
        work.workflows().insert(&workflow, &rows).await.unwrap();
        work.commit().await.unwrap();
        let id = workflow.id;
        self.workflows.insert(id, workflow);
        id
    }

    fn row(&self, workflow: &Workflow, position: u32, step: &Value) -> WorkflowStep {
        let new = NewWorkflowStep {
            id: turbocat_domain::id::WorkflowStepId::from_uuid(self.ids.next()),
            workflow_id: workflow.id,
            step_key: StepKey::parse(step["key"].as_str().unwrap()).unwrap(),
            step_type: step["type"].as_str().unwrap().parse::<StepType>().unwrap(),
            position,
        };
        let agent_id = step["agent"].as_str().map(|name| self.agents[name].id);
        WorkflowStep { agent_id, ..WorkflowStep::new(new, workflow.created_at) }
    }

    /// All agents.
    pub(crate) fn agent_ids(&self) -> Vec<AgentId> {
        self.agents.values().map(|agent| agent.id).collect()
    }

    /// An execution to be accepted.
    pub(crate) fn execution(&self, workflow: WorkflowId, input: Value) -> NewExecution {
        NewExecution { input, ..a_new_execution(self.ids.as_ref(), &self.workflows[&workflow]) }
    }

    /// Options for tests: everything as it is by default.
    pub(crate) fn options(name: &str) -> EngineOptions {
        EngineOptions { name: name.to_owned(), ..EngineOptions::default() }
    }

    pub(crate) fn ports(&self, runner: impl AgentRunner + 'static) -> Ports {
        Ports {
            workers: self.store.clone(),
            queue: self.store.clone(),
            schedules: self.store.clone(),
            journal: self.store.clone(),
            parts: self.store.clone(),
            budgets: self.store.clone(),
            permits: self.store.clone(),
            events: self.store.clone(),
            logs: self.store.clone(),
            counters: self.store.clone(),
            queries: Arc::new(self.store.memory.clone()),
            runner: Arc::new(runner),
            schemas: Arc::new(Required),
            ids: self.ids.clone(),
        }
    }

    /// Starts an engine.
    pub(crate) async fn engine(&self, runner: impl AgentRunner + 'static) -> Engine {
        Engine::start(Self::options("test"), self.ports(runner)).await.unwrap()
    }

    /// Accepts an execution through an engine.
    pub(crate) async fn start(&self, engine: &EngineHandle, workflow: WorkflowId, input: Value) -> ExecutionId {
        let new = self.execution(workflow, input);
        let id = new.id;
        engine.accept(vec![new]).await.unwrap();
        id
    }

    /// The execution as it is stored.
    pub(crate) async fn get(&self, id: ExecutionId) -> Execution {
        self.store.queries().executions().get(id).await.unwrap()
    }

    /// Waits until an execution has ended, for an hour of virtual time at most.
    pub(crate) async fn ended(&self, id: ExecutionId) -> Execution {
        self.eventually(id, |execution| execution.status.is_terminal()).await
    }

    /// Waits until an execution is as wanted.
    pub(crate) async fn eventually(&self, id: ExecutionId, wanted: impl Fn(&Execution) -> bool) -> Execution {
        for _ in 0..720_000 {
            let execution = self.get(id).await;
            if wanted(&execution) {
                return execution;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not happen within an hour: {:?} {:?}", self.get(id).await, self.records(id).await);
    }

    /// What an execution has recorded.
    pub(crate) async fn records(&self, id: ExecutionId) -> Vec<StepRecord> {
        self.store.queries().executions().step_records(id).await.unwrap()
    }

    /// The paths that have completed, each with its output.
    pub(crate) async fn outputs(&self, id: ExecutionId) -> BTreeMap<String, Value> {
        let records = self.records(id).await;
        records
            .into_iter()
            .filter_map(|record| match record.outcome {
                StepOutcome::Completed(output) => Some((record.path, output)),
                _ => None,
            })
            .collect()
    }

    /// Asks for an execution to be cancelled.
    pub(crate) async fn cancel(&self, id: ExecutionId) {
        self.store.request_cancel(id).await.unwrap();
    }

    /// Asks for an execution to be paused.
    pub(crate) async fn pause(&self, id: ExecutionId) {
        let mut work = self.store.memory.begin().await.unwrap();
        work.executions().pause(id, None).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Asks for an execution to go on.
    pub(crate) async fn resume(&self, id: ExecutionId) {
        let mut work = self.store.memory.begin().await.unwrap();
        work.executions().resume(id).await.unwrap();
        work.commit().await.unwrap();
    }

    /// An event.
    pub(crate) fn event(&self, name: &str, payload: Value, target: Option<(ExecutionId, String)>) -> NewEvent {
        NewEvent {
            id: turbocat_domain::id::EventId::from_uuid(self.ids.next()),
            name: name.to_owned(),
            payload,
            target,
            user_id: self.user,
        }
    }

    /// Checks that an execution has completed.
    pub(crate) async fn completed(&self, id: ExecutionId) -> Execution {
        let execution = self.ended(id).await;
        assert_eq!(execution.status, ExecutionStatus::Completed, "{execution:?} {:?}", self.records(id).await);
        execution
    }
}

/// A document whose steps run one after another.
pub(crate) fn chain(name: &str, length: usize) -> Value {
    let steps: Vec<Value> = (0..length)
        .map(|n| {
            let before: Vec<String> = (n > 0).then(|| format!("s{}", n - 1)).into_iter().collect();
            json!({ "key": format!("s{n}"), "type": "agent", "depends_on": before, "inputs": { "n": n } })
        })
        .collect();
    json!({ "name": name, "steps": steps })
}

/// Lets virtual time pass.
pub(crate) async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
