//! What clients see: one file a resource. Fields that only the server writes are here and in no request.

mod agent;
mod audit_log;
mod deployment;
mod execution;
mod key;
mod secret;
mod template;
mod user;
mod waiting;
mod workflow;

pub(crate) use self::{
    agent::AgentView,
    audit_log::AuditLogView,
    deployment::{DeploymentHealthView, DeploymentRevisionView, DeploymentView},
    execution::{ExecutionView, LogView, PartView, StepView},
    key::{IssuedKeyView, KeyView},
    secret::SecretView,
    template::TemplateView,
    user::{SessionView, UserView},
    waiting::{ApprovalView, ScheduleView, TickView},
    workflow::{WorkflowStepView, WorkflowView},
};
