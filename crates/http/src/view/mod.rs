//! What clients see: one file a resource. Fields that only the server writes are here and in no request.

mod agent;
mod execution;
mod key;
mod secret;
mod user;
mod workflow;

pub(crate) use self::{
    agent::AgentView,
    execution::{ExecutionView, LogView, StepView},
    key::{IssuedKeyView, KeyView},
    secret::SecretView,
    user::{SessionView, UserView},
    workflow::{WorkflowStepView, WorkflowView},
};
