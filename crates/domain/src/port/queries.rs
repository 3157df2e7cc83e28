//! The read side: one set of queries an aggregate. Deleted rows are hidden unless a filter asks for them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    ApprovalQueries, BudgetQueries, Page, PageRequest, PartRecord, Result, ScheduleQueries, SecretQueries,
    SessionQueries, Sort, UsageQueries, UserTokenQueries,
};
use crate::{
    agent::{Agent, AgentStatus, AgentType},
    api_key::ApiKey,
    audit_log::AuditLog,
    deployment::{Deployment, DeploymentRevision, DeploymentStatus, Environment, HealthStatus},
    execution::{Execution, ExecutionStatus, TriggerType},
    execution_log::{ExecutionLog, LogLevel},
    id::{AgentId, ApiKeyId, DeploymentId, ExecutionId, TemplateId, UserId, WorkflowId},
    step_run::StepRecord,
    template::{Template, TemplateType},
    user::{User, UserRole},
    value::{Email, Search, Tag},
    workflow::{Workflow, WorkflowStatus},
    workflow_step::WorkflowStep,
};

/// Which users a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only this role.
    pub role: Option<UserRole>,
    /// Only those that can be used, or that cannot.
    pub active: Option<bool>,
    /// Only those in whose address or name this is found.
    pub search: Option<Search>,
    /// Deleted ones too.
    pub with_deleted: bool,
}

/// Reads users.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UserQueries: Send + Sync {
    /// The user; `NotFound` if there is none.
    async fn get(&self, id: UserId) -> Result<User>;
    /// The user with this address, if any.
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>>;
    /// A page of users, newest first.
    async fn list(&self, filter: &UserFilter, page: PageRequest) -> Result<Page<User>>;
}

/// Which agents a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// Only this owner's (and what is public, with `public_too`).
    pub owner: Option<UserId>,
    /// What is public counts as everybody's.
    pub public_too: bool,
    /// Only what is public.
    pub public_only: bool,
    /// Only this name.
    pub name: Option<String>,
    /// Only this type.
    pub kind: Option<AgentType>,
    /// Only this status.
    pub status: Option<AgentStatus>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// Only those in whose name, description or tags this is found.
    pub search: Option<Search>,
    /// In which order.
    pub sort: Sort,
    /// Deleted ones too.
    pub with_deleted: bool,
}

/// Reads agents.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AgentQueries: Send + Sync {
    /// The agent, deleted or not (executions of old versions need it); `NotFound` if there is none.
    async fn get(&self, id: AgentId) -> Result<Agent>;
    /// The active version of a name: the owner's own, else a public one.
    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Agent>>;
    /// A page of agents, newest first.
    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>>;
}

/// Which workflows a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    /// Only this owner's (and what is public, with `public_too`).
    pub owner: Option<UserId>,
    /// What is public counts as everybody's.
    pub public_too: bool,
    /// Only what is public.
    pub public_only: bool,
    /// Only this name.
    pub name: Option<String>,
    /// Only this status.
    pub status: Option<WorkflowStatus>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// Only those in whose name, description or tags this is found.
    pub search: Option<Search>,
    /// Only those with a trigger for events of this name.
    pub event: Option<String>,
    /// In which order.
    pub sort: Sort,
    /// Deleted ones too.
    pub with_deleted: bool,
}

/// Reads workflows.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkflowQueries: Send + Sync {
    /// The workflow, deleted or not (executions of old versions need it); `NotFound` if there is none.
    async fn get(&self, id: WorkflowId) -> Result<Workflow>;
    /// Its steps, in their order.
    async fn steps(&self, id: WorkflowId) -> Result<Vec<WorkflowStep>>;
    /// The active version of a name: the owner's own, else a public one.
    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Workflow>>;
    /// A page of workflows, newest first.
    async fn list(&self, filter: &WorkflowFilter, page: PageRequest) -> Result<Page<Workflow>>;
}

/// Which executions a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only of this version of a workflow.
    pub workflow: Option<WorkflowId>,
    /// Only in this status.
    pub status: Option<ExecutionStatus>,
    /// Only the children of this execution.
    pub parent: Option<ExecutionId>,
    /// Only those that were started by this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only those that were started so.
    pub trigger: Option<TriggerType>,
    /// Only those that were accepted at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Only those that were accepted before this time.
    pub created_before: Option<DateTime<Utc>>,
}

/// Which lines of an execution's log are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only this level and those above it.
    pub min_level: Option<LogLevel>,
    /// Only of this step.
    pub step_key: Option<String>,
}

/// Reads executions.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ExecutionQueries: Send + Sync {
    /// The execution; `NotFound` if there is none.
    async fn get(&self, id: ExecutionId) -> Result<Execution>;
    /// A page of executions, newest first, without their inputs and outputs (both are null).
    async fn list(&self, filter: &ExecutionFilter, page: PageRequest) -> Result<Page<Execution>>;
    /// What its steps have recorded, in the order of `seq`.
    async fn step_records(&self, id: ExecutionId) -> Result<Vec<StepRecord>>;
    /// What is new for who looks on: at most so many records that have ended, from a place in that order, and behind
    /// them at most as many of those that run now. None has its output (a completed one has null).
    async fn step_news(&self, id: ExecutionId, from_seq: u32, limit: u16) -> Result<Vec<StepRecord>>;
    /// A page of what its steps did on their way, in the order in which it was recorded. The data of the parts are cut
    /// to their summary. A cursor's id is the `seq` of the last part.
    async fn part_records(&self, id: ExecutionId, page: PageRequest) -> Result<Page<PartRecord>>;
    /// A page of its log, oldest first.
    async fn logs(&self, id: ExecutionId, filter: &LogFilter, page: PageRequest) -> Result<Page<ExecutionLog>>;
}

/// Which templates a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateFilter {
    /// Only this category.
    pub category: Option<String>,
    /// Only this type.
    pub kind: Option<TemplateType>,
    /// Only official ones.
    pub official_only: bool,
    /// Only public ones and this user's; of those that are deleted, only this user's.
    pub visible_to: Option<UserId>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// Only those in whose name, description or tags this is found.
    pub search: Option<Search>,
    /// In which order.
    pub sort: Sort,
    /// Deleted ones too.
    pub with_deleted: bool,
}

/// Reads templates.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TemplateQueries: Send + Sync {
    /// The template; `NotFound` if there is none.
    async fn get(&self, id: TemplateId) -> Result<Template>;
    /// The template that was deleted; `NotFound` if there is none.
    async fn get_deleted(&self, id: TemplateId) -> Result<Template>;
    /// The official template of this name, if any.
    async fn find_official<'a>(&self, name: &'a str) -> Result<Option<Template>>;
    /// A page of templates, newest first.
    async fn list(&self, filter: &TemplateFilter, page: PageRequest) -> Result<Page<Template>>;
}

/// Which deployments a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only in this environment.
    pub environment: Option<Environment>,
    /// Only in this status.
    pub status: Option<DeploymentStatus>,
    /// Only those of which the last check found this.
    pub health: Option<HealthStatus>,
    /// Only this name.
    pub name: Option<String>,
    /// Only of this version of a workflow.
    pub workflow: Option<WorkflowId>,
    /// Only of this version of an agent.
    pub agent: Option<AgentId>,
    /// Only those in whose name or description this is found.
    pub search: Option<Search>,
    /// In which order.
    pub sort: Sort,
    /// Deleted ones too.
    pub with_deleted: bool,
}

/// Reads deployments.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait DeploymentQueries: Send + Sync {
    /// The deployment; `NotFound` if there is none.
    async fn get(&self, id: DeploymentId) -> Result<Deployment>;
    /// The deployment that was deleted; `NotFound` if there is none.
    async fn get_deleted(&self, id: DeploymentId) -> Result<Deployment>;
    /// A revision of a deployment; `NotFound` if there is none of this number.
    async fn revision(&self, id: DeploymentId, number: u32) -> Result<DeploymentRevision>;
    /// A page of the revisions of a deployment, newest first.
    async fn revisions(&self, id: DeploymentId, page: PageRequest) -> Result<Page<DeploymentRevision>>;
    /// A page of deployments, newest first.
    async fn list(&self, filter: &DeploymentFilter, page: PageRequest) -> Result<Page<Deployment>>;
}

/// Reads API keys.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ApiKeyQueries: Send + Sync {
    /// The key; `NotFound` if there is none.
    async fn get(&self, id: ApiKeyId) -> Result<ApiKey>;
    /// The key with this hash, if it is there and active; whether it has expired is for the caller.
    async fn find_by_hash<'a>(&self, key_hash: &'a str) -> Result<Option<ApiKey>>;
    /// A page of a user's keys, newest first.
    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<ApiKey>>;
}

/// Which entries of the audit log a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditLogFilter {
    /// Only by this user.
    pub user: Option<UserId>,
    /// Only this action.
    pub action: Option<String>,
    /// Only about this type of resource.
    pub resource_type: Option<String>,
    /// Only about this resource.
    pub resource_id: Option<uuid::Uuid>,
}

/// Reads the audit log.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AuditLogQueries: Send + Sync {
    /// A page of entries, newest first.
    async fn list(&self, filter: &AuditLogFilter, page: PageRequest) -> Result<Page<AuditLog>>;
}

/// All queries of a store.
pub trait Queries: Send + Sync {
    /// The users.
    fn users(&self) -> &dyn UserQueries;
    /// The agents.
    fn agents(&self) -> &dyn AgentQueries;
    /// The workflows.
    fn workflows(&self) -> &dyn WorkflowQueries;
    /// The executions.
    fn executions(&self) -> &dyn ExecutionQueries;
    /// The templates.
    fn templates(&self) -> &dyn TemplateQueries;
    /// The deployments.
    fn deployments(&self) -> &dyn DeploymentQueries;
    /// The API keys.
    fn api_keys(&self) -> &dyn ApiKeyQueries;
    /// The sessions.
    fn sessions(&self) -> &dyn SessionQueries;
    /// The tokens that are sent to users.
    fn user_tokens(&self) -> &dyn UserTokenQueries;
    /// The secrets, sealed.
    fn secrets(&self) -> &dyn SecretQueries;
    /// The audit log.
    fn audit_logs(&self) -> &dyn AuditLogQueries;
    /// The decisions that executions wait for.
    fn approvals(&self) -> &dyn ApprovalQueries;
    /// The schedules.
    fn schedules(&self) -> &dyn ScheduleQueries;
    /// The budgets.
    fn budgets(&self) -> &dyn BudgetQueries;
    /// What models used.
    fn usage(&self) -> &dyn UsageQueries;
}
