//! The tables as `SeaORM` sees them. Conversions from and to the domain stand with the repositories.

pub(crate) mod agent;
pub(crate) mod api_key;
pub(crate) mod audit_log;
pub(crate) mod budget;
pub(crate) mod deployment;
pub(crate) mod deployment_revision;
pub(crate) mod execution;
pub(crate) mod execution_log;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod step_run;
pub(crate) mod template;
pub(crate) mod user;
pub(crate) mod workflow;
pub(crate) mod workflow_step;
