//! What clients see: one file a resource. Fields that only the server writes are here and in no request.

mod agent;
mod audit_log;
mod budget;
mod deployment;
mod execution;
mod key;
mod secret;
mod template;
mod user;
mod waiting;
mod workflow;

use serde_json::{Value, json};
use turbocat_application::{Health, IssuedKey, SecretInfo};
use turbocat_domain::{
    agent::Agent,
    api_key::ApiKey,
    approval::WaitingApproval,
    budget::BudgetStanding,
    deployment::{Deployment, DeploymentRevision},
    execution::Execution,
    execution_log::ExecutionLog,
    port::{PartRecord, StoredSchedule, StoredTick, UsageRow},
    step_run::StepRecord,
    template::Template,
    user::User,
    workflow::Workflow,
};

pub(crate) use self::{
    agent::AgentView,
    audit_log::AuditLogView,
    budget::{BudgetView, UsageRowView, UsageView},
    deployment::{DeploymentHealthView, DeploymentRevisionView, DeploymentView},
    execution::{ExecutionView, LogView, PartView, StepView},
    key::{IssuedKeyView, KeyView},
    secret::SecretView,
    template::TemplateView,
    user::{SessionView, UserView},
    waiting::{ApprovalView, ScheduleView, TickView},
    workflow::{WorkflowStepView, WorkflowView},
};

/// What clients see of a thing.
///
/// It is for who shows the same in another way: the command line on its own database prints what it would print of a
/// server's answer.
pub trait Shown {
    /// Its JSON in the API.
    fn shown(self) -> Value;
}

macro_rules! shown {
    ($($thing:ty: $view:ty),+ $(,)?) => {
        $(
            impl Shown for $thing {
                fn shown(self) -> Value {
                    json!(<$view>::from(self))
                }
            }
        )+
    };
}

shown! {
    (WaitingApproval, bool): ApprovalView,
    Agent: AgentView,
    ApiKey: KeyView,
    BudgetStanding: BudgetView,
    Deployment: DeploymentView,
    DeploymentRevision: DeploymentRevisionView,
    Execution: ExecutionView,
    ExecutionLog: LogView,
    Health: DeploymentHealthView,
    IssuedKey: IssuedKeyView,
    PartRecord: PartView,
    SecretInfo: SecretView,
    StepRecord: StepView,
    StoredSchedule: ScheduleView,
    StoredTick: TickView,
    Template: TemplateView,
    UsageRow: UsageRowView,
    User: UserView,
    Workflow: WorkflowView,
}
