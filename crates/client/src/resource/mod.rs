//! What the API shows and takes: one file a resource, each type with the members that `docs/openapi.json` says.

mod agent;
mod budget;
mod deployment;
mod execution;
mod key;
mod publish;
mod secret;
mod start;
mod template;
mod user;
mod waiting;
mod workflow;

pub use self::{
    agent::{Agent, AgentQuery},
    budget::{Budget, BudgetQuery, ExecutionUsage, NewBudget, Usage, UsageQuery, UsageRow, UsageRows},
    deployment::{
        Deployed, Deployment, DeploymentChange, DeploymentHealth, DeploymentKey, DeploymentQuery, DeploymentRequest,
        DeploymentRevision, NewDeployment, Rollback,
    },
    execution::{
        Execution, ExecutionEvent, ExecutionQuery, LogLine, LogQuery, PageQuery, Part, Requested, Step, StepError,
    },
    key::{ApiKey, IssuedKey, KeyQuery, NewKey},
    publish::{Documents, PublishReport, Published},
    secret::{NewSecret, Secret, SecretQuery},
    start::{Began, BulkStarted, StartExecution, StartExecutions, Started},
    template::{Template, TemplateCopy, TemplateQuery, TemplateUse},
    user::{Me, NewUser, User, UserQuery},
    waiting::{
        Approval, ApprovalQuery, Decided, Decision, RefusedStart, Schedule, SendEvent, SentEvent, Tick, TickQuery,
    },
    workflow::{Workflow, WorkflowQuery, WorkflowStep},
};
pub use turbocat_domain::{
    agent::{AgentStatus, AgentType},
    budget::{BudgetPeriod, BudgetUnit},
    deployment::{DeploymentStatus, Environment, HealthStatus},
    document::Overlap,
    execution::{ExecutionStatus, TriggerType},
    execution_log::{LogLevel, StepStatus},
    schedule::Verdict,
    template::TemplateType,
    usage::UsageGroup,
    user::UserRole,
    workflow::WorkflowStatus,
    workflow_step::StepType,
};

/// Lets questions be asked page by page.
macro_rules! paged {
    ($($query:ty),+ $(,)?) => {
        $(
            impl crate::Paged for $query {
                fn set_after(&mut self, after: String) {
                    self.after = Some(after);
                }
            }
        )+
    };
}
pub(crate) use paged;
