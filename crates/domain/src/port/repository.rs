//! The write side: one repository an aggregate, used through a [`UnitOfWork`](super::UnitOfWork).
//!
//! `save` MUST be refused with `Conflict` when the stored `updated_at` is not the one in the entity that was
//! read; it writes `now` into `updated_at`. `delete` is soft, `restore` undoes it, and both are `NotFound` for
//! what is not there (or deleted already, or not deleted). Metrics and counters are never written here.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{NewEvent, NewExecution, RequestOutcome, Result};
use crate::{
    agent::Agent,
    api_key::ApiKey,
    audit_log::AuditLog,
    deployment::{Deployment, DeploymentRevision, HealthStatus},
    id::{AgentId, ApiKeyId, DeploymentId, ExecutionId, TemplateId, UserId, WorkflowId},
    template::Template,
    user::User,
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

/// The users.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UserRepository: Send {
    /// Inserts a user; an e-mail address that differs only in case is the same (`AlreadyExists`).
    async fn insert(&mut self, user: &User) -> Result<()>;
    /// Saves a changed user.
    async fn save(&mut self, user: &User, now: DateTime<Utc>) -> Result<()>;
    /// Deletes a user, softly.
    async fn delete(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()>;
}

/// The agents.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AgentRepository: Send {
    /// Inserts agents, all of them or none.
    async fn insert(&mut self, agents: &[Agent]) -> Result<()>;
    /// Saves a changed agent.
    async fn save(&mut self, agent: &Agent, now: DateTime<Utc>) -> Result<()>;
    /// Deletes an agent, softly.
    async fn delete(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()>;
    /// Locks the name for this owner until the end of the transaction, so that two publishers of one name
    /// take turns, and returns its highest version. MUST NOT pass over a version that is not active or was
    /// deleted: the next one's number follows it, and no number is used twice.
    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Agent>>;
}

/// The workflows. A workflow and its steps are one aggregate: they are written together.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkflowRepository: Send {
    /// Inserts a workflow and its steps.
    async fn insert(&mut self, workflow: &Workflow, steps: &[WorkflowStep]) -> Result<()>;
    /// Saves a changed workflow, without its steps.
    async fn save(&mut self, workflow: &Workflow, now: DateTime<Utc>) -> Result<()>;
    /// Replaces the steps of a draft.
    async fn replace_steps(&mut self, id: WorkflowId, steps: &[WorkflowStep]) -> Result<()>;
    /// Deletes a workflow, softly.
    async fn delete(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()>;
    /// Locks the name for this owner until the end of the transaction, so that two publishers of one name
    /// take turns, and returns its highest version. MUST NOT pass over a version that is not active or was
    /// deleted: the next one's number follows it, and no number is used twice.
    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Workflow>>;
}

/// The executions, where they are not the engine's.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ExecutionRepository: Send {
    /// Asks for the execution to be cancelled, as [`ExecutionQueue::request_cancel`](super::ExecutionQueue), together
    /// with what else is done here.
    async fn request_cancel(&mut self, id: ExecutionId) -> Result<RequestOutcome>;
    /// Pauses the execution and tells its owner, together with what else is done here. One that nobody owns MUST NOT be
    /// claimed for its sake before its deadline, unless it is to be cancelled. What is paused stays so, with the time
    /// and the reason of the first request.
    async fn pause(&mut self, id: ExecutionId, reason: Option<String>) -> Result<RequestOutcome>;
    /// Undoes a pause and wakes who goes on, together with what else is done here. What is not paused stays as it is.
    async fn resume(&mut self, id: ExecutionId) -> Result<RequestOutcome>;
    /// Sends an event, as [`EventQueries::publish`](super::EventQueries::publish), together with what else is done
    /// here. Returns how many executions it wakes.
    async fn send(&mut self, event: &NewEvent) -> Result<u64>;
    /// Accepts executions of which none stands, pending and claimable, together with what else is done here. Who works
    /// learns of them when it is committed.
    async fn insert(&mut self, executions: &[NewExecution]) -> Result<()>;
    /// Deletes ended executions with their logs and journals (retention). Returns how many.
    async fn delete_ended(&mut self, ids: &[ExecutionId]) -> Result<u64>;
}

/// The templates.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TemplateRepository: Send {
    /// Inserts templates, all of them or none.
    async fn insert(&mut self, templates: &[Template]) -> Result<()>;
    /// Saves a changed template.
    async fn save(&mut self, template: &Template, now: DateTime<Utc>) -> Result<()>;
    /// Deletes a template, softly.
    async fn delete(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()>;
    /// Counts a use. Leaves `updated_at`: it is no change by who owns it.
    async fn count_use(&mut self, id: TemplateId) -> Result<()>;
    /// Notes how many stars a user gives, 1 to 5, in place of those that they gave before; the average and the count
    /// MUST equal the fold of the ratings of all users, also of those who rate at the same time. Leaves `updated_at`.
    async fn rate(&mut self, id: TemplateId, rating: (UserId, u8), now: DateTime<Utc>) -> Result<()>;
}

/// The deployments.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait DeploymentRepository: Send {
    /// Inserts a deployment; another one of the owner's with its name in its environment is `AlreadyExists`.
    async fn insert(&mut self, deployment: &Deployment) -> Result<()>;
    /// Notes what a deployment runs from now on; a number is taken once (`AlreadyExists`).
    async fn insert_revision(&mut self, revision: &DeploymentRevision) -> Result<()>;
    /// Notes what a check of its health found, and when. Leaves `updated_at`: it is no change by who owns it.
    async fn record_health(&mut self, id: DeploymentId, found: (HealthStatus, DateTime<Utc>)) -> Result<()>;
    /// Saves a changed deployment, but for its health.
    async fn save(&mut self, deployment: &Deployment, now: DateTime<Utc>) -> Result<()>;
    /// Deletes a deployment, softly.
    async fn delete(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()>;
}

/// The API keys.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send {
    /// Inserts a key; two keys with one hash are `AlreadyExists`.
    async fn insert(&mut self, key: &ApiKey) -> Result<()>;
    /// Saves a changed key.
    async fn save(&mut self, key: &ApiKey, now: DateTime<Utc>) -> Result<()>;
    /// Deletes a key, softly: it is refused from then on.
    async fn delete(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()>;
    /// Undoes a delete.
    async fn restore(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()>;
}

/// The audit log: append only.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AuditLogRepository: Send {
    /// Appends entries, in the transaction of the change that they tell of.
    async fn append(&mut self, entries: &[AuditLog]) -> Result<()>;
}
