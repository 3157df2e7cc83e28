//! Valid entities, with as little said as possible: change with struct update what a test is about.
//!
//! Each takes the generator of its ids, so that the same test makes the same entities at every run.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a builder that makes something invalid is a mistake in a test"
)]

use chrono::TimeDelta;
use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentStatus, AgentType, NewAgent},
    api_key::{ApiKey, NewApiKey},
    audit_log::{AuditLog, NewAuditLog},
    deployment::{Deployment, DeploymentTarget, NewDeployment},
    execution::{ExecutionStatus, TriggerType},
    execution_log::{ExecutionLog, LogLevel, NewExecutionLog},
    id::{
        AgentId, ApiKeyId, AuditLogId, DeploymentId, EventId, ExecutionId, ExecutionLogId, SessionId, TemplateId,
        UserId, WorkerId, WorkflowId, WorkflowStepId,
    },
    port::{ClaimedExecution, FinishedExecution, IdGenerator, NewEvent, NewExecution, NewWorker},
    session::{NewSession, Session},
    step_run::{StepOutcome, StepRecord},
    template::{NewTemplate, Template, TemplateType},
    user::{NewUser, User},
    value::{Category, Email, Name, SecretHash, StepKey},
    workflow::{NewWorkflow, Workflow, WorkflowStatus},
    workflow_step::{NewWorkflowStep, StepType, WorkflowStep},
};
use uuid::Uuid;

use crate::clock::epoch;

/// How long the lease of a worker of these builders is, in milliseconds.
pub const LEASE_MS: u64 = 10_000;

/// How long an execution of these builders may take, in milliseconds.
pub const TIMEOUT_MS: u64 = 3_600_000;

/// A user with an address of their own.
#[must_use]
pub fn a_user(ids: &dyn IdGenerator) -> User {
    let id = ids.next();
    let email = Email::parse(format!("{}@example.com", id.simple())).expect("a valid address");
    User::new(NewUser { id: UserId::from_uuid(id), email }, epoch())
}

/// An active agent with a name of its own.
#[must_use]
pub fn an_agent(ids: &dyn IdGenerator, owner: UserId, kind: AgentType) -> Agent {
    let id = ids.next();
    let new = NewAgent { id: AgentId::from_uuid(id), user_id: owner, name: a_name("agent", id), kind };
    Agent { status: AgentStatus::Active, ..Agent::new(new, epoch()) }
}

/// A document with these agent steps, one after another, all run by one agent.
#[must_use]
pub fn a_document(name: &str, agent: &str, keys: &[&str]) -> Value {
    let steps: Vec<Value> = keys
        .iter()
        .scan(None, |before: &mut Option<&str>, key| {
            let depends_on: Vec<&str> = before.replace(*key).into_iter().collect();
            Some(json!({ "key": key, "type": "agent", "agent": agent, "depends_on": depends_on }))
        })
        .collect();
    json!({ "name": name, "steps": steps })
}

/// An active workflow with a name of its own, and a document of the given steps.
#[must_use]
pub fn a_workflow(ids: &dyn IdGenerator, agent: &Agent, keys: &[&str]) -> (Workflow, Vec<WorkflowStep>) {
    let id = ids.next();
    let name = a_name("workflow", id);
    let definition = a_document(name.as_str(), agent.name.as_str(), keys);
    let new = NewWorkflow { id: WorkflowId::from_uuid(id), user_id: agent.user_id, name };
    let workflow = Workflow { status: WorkflowStatus::Active, definition, ..Workflow::new(new, epoch()) };
    let steps = steps_of(ids, &workflow, agent, keys);
    (workflow, steps)
}

/// The rows of agent steps, one after another, all run by one agent.
#[must_use]
pub fn steps_of(ids: &dyn IdGenerator, workflow: &Workflow, agent: &Agent, keys: &[&str]) -> Vec<WorkflowStep> {
    let key = |text: &str| StepKey::parse(text).expect("a valid key");
    let mut before: Option<StepKey> = None;
    (0..)
        .zip(keys)
        .map(|(position, text)| {
            let new = NewWorkflowStep {
                id: WorkflowStepId::from_uuid(ids.next()),
                workflow_id: workflow.id,
                step_key: key(text),
                step_type: StepType::Agent,
                position,
            };
            let depends_on = before.replace(key(text)).into_iter().collect();
            WorkflowStep { agent_id: Some(agent.id), depends_on, ..WorkflowStep::new(new, workflow.created_at) }
        })
        .collect()
}

/// An execution of a workflow by its owner.
#[must_use]
pub fn a_new_execution(ids: &dyn IdGenerator, workflow: &Workflow) -> NewExecution {
    NewExecution {
        id: ExecutionId::from_uuid(ids.next()),
        workflow_id: workflow.id,
        user_id: workflow.user_id,
        trigger_type: TriggerType::Api,
        trigger_data: json!({}),
        input: json!({ "topic": "cats" }),
        steps_total: 1,
        timeout_ms: TIMEOUT_MS,
        parent: None,
        depth: 0,
    }
}

/// A child of an execution, started by the step at a path.
#[must_use]
pub fn a_new_child(ids: &dyn IdGenerator, workflow: &Workflow, parent: ExecutionId, path: &str) -> NewExecution {
    NewExecution { parent: Some((parent, path.to_owned())), depth: 1, ..a_new_execution(ids, workflow) }
}

/// A worker with a lease of [`LEASE_MS`].
#[must_use]
pub fn a_worker(ids: &dyn IdGenerator) -> NewWorker {
    let id = ids.next();
    NewWorker { id: WorkerId::from_uuid(id), name: format!("worker-{}", id.simple()), lease_ms: LEASE_MS }
}

/// The first attempt of a step, completed after 40 milliseconds with its path as output.
#[must_use]
pub fn a_record(execution: ExecutionId, path: &str, seq: u32) -> StepRecord {
    StepRecord {
        execution_id: execution,
        path: path.to_owned(),
        attempt: 1,
        seq,
        outcome: StepOutcome::Completed(json!({ "path": path })),
        started_at: epoch(),
        ended_at: Some(epoch() + TimeDelta::milliseconds(40)),
        workflow_step_id: None,
        agent_id: None,
    }
}

/// The same attempt while it runs.
#[must_use]
pub fn a_running_record(execution: ExecutionId, path: &str, seq: u32) -> StepRecord {
    StepRecord { outcome: StepOutcome::Running, ended_at: None, ..a_record(execution, path, seq) }
}

/// The end of a claimed execution, completed 100 milliseconds after it began.
#[must_use]
pub fn a_completion(claimed: &ClaimedExecution) -> FinishedExecution {
    FinishedExecution {
        id: claimed.id,
        workflow_id: claimed.workflow_id,
        status: ExecutionStatus::Completed,
        output: json!({ "done": true }),
        error: None,
        steps_completed: 1,
        steps_failed: 0,
        started_at: claimed.started_at,
        completed_at: claimed.started_at + TimeDelta::milliseconds(100),
        parent: claimed.parent.clone(),
    }
}

/// An event for all that wait for its name.
#[must_use]
pub fn an_event(ids: &dyn IdGenerator, sender: UserId, name: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(ids.next()),
        name: name.to_owned(),
        payload: json!({ "name": name }),
        target: None,
        user_id: sender,
    }
}

/// A line that an agent printed.
#[must_use]
pub fn a_line(ids: &dyn IdGenerator, execution: ExecutionId, message: &str) -> ExecutionLog {
    let id = ExecutionLogId::from_uuid(ids.next());
    let new = NewExecutionLog { id, execution_id: execution, level: LogLevel::Info, message: message.to_owned() };
    ExecutionLog::new(new, epoch())
}

/// A template of an agent, of nobody in particular.
#[must_use]
pub fn a_template(ids: &dyn IdGenerator) -> Template {
    let id = ids.next();
    let new = NewTemplate {
        id: TemplateId::from_uuid(id),
        name: a_name("template", id),
        category: Category::parse("Tests").expect("a valid category"),
        kind: TemplateType::Agent,
        template_data: json!({ "type": "data" }),
    };
    Template::new(new, epoch())
}

/// A deployment, stopped.
#[must_use]
pub fn a_deployment(ids: &dyn IdGenerator, owner: UserId, target: DeploymentTarget) -> Deployment {
    let id = ids.next();
    let new = NewDeployment { id: DeploymentId::from_uuid(id), user_id: owner, name: a_name("deployment", id), target };
    Deployment::new(new, epoch())
}

/// A key with a hash of its own.
#[must_use]
pub fn an_api_key(ids: &dyn IdGenerator, owner: UserId) -> ApiKey {
    let id = ids.next();
    let new = NewApiKey {
        id: ApiKeyId::from_uuid(id),
        user_id: owner,
        name: a_name("key", id),
        key_hash: SecretHash::new(id.simple().to_string()),
        key_prefix: "tc_test".to_owned(),
    };
    ApiKey::new(new, epoch())
}

/// A session with a token of its own.
#[must_use]
pub fn a_session(ids: &dyn IdGenerator, user: UserId) -> Session {
    let id = ids.next();
    let token_hash = SecretHash::new(id.simple().to_string());
    Session::new(NewSession { id: SessionId::from_uuid(id), user_id: user, token_hash }, epoch())
}

/// An entry of the audit log, about a workflow.
#[must_use]
pub fn an_audit_entry(ids: &dyn IdGenerator, user: Option<UserId>, action: &'static str) -> AuditLog {
    let new = NewAuditLog {
        id: AuditLogId::from_uuid(ids.next()),
        user_id: user,
        action,
        resource_type: "workflow",
        resource_id: Some(ids.next()),
    };
    AuditLog::new(new, epoch())
}

fn a_name(kind: &str, id: Uuid) -> Name {
    Name::parse(format!("{kind}-{}", id.simple())).expect("a valid name")
}
