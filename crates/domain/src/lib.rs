//! The rules of Turbocat, without I/O: entities, workflow documents, expressions, the run machine,
//! and the ports through which the rest of the system does what the rules ask for.
//!
//! Nothing here reads a clock, draws a random number, opens a connection or spawns a task. Times,
//! identifiers and jitter are arguments; everything that leaves the process is a [`port`].

pub mod agent;
pub mod agent_form;
pub mod api_key;
pub mod approval;
pub mod audit_log;
pub mod budget;
pub mod deployment;
pub mod document;
pub mod execution;
pub mod execution_log;
pub mod expression;
pub mod id;
pub mod idempotency;
pub mod limits;
pub mod permission;
pub mod permit;
pub mod plan;
pub mod port;
pub mod problem;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod step_run;
pub mod template;
pub mod usage;
pub mod user;
pub mod user_token;
pub mod value;
pub mod workflow;
pub mod workflow_step;
