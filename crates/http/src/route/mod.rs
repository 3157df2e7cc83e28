//! The routes, one file a resource.

pub(crate) mod agent;
pub(crate) mod agent_type;
pub(crate) mod audit_log;
pub(crate) mod budget;
pub(crate) mod bulk;
pub(crate) mod deployment;
pub(crate) mod deployment_life;
pub(crate) mod document;
pub(crate) mod email_verification;
pub(crate) mod endpoint;
pub(crate) mod execution;
pub(crate) mod execution_events;
pub(crate) mod execution_request;
pub(crate) mod health;
pub(crate) mod key;
pub(crate) mod password_reset;
mod publish;
mod query;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod template;
pub(crate) mod user;
pub(crate) mod waiting;
pub(crate) mod webhook;
pub(crate) mod workflow;
