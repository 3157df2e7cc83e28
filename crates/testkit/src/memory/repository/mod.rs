//! The write side: one file an aggregate. What they share is in the tables.

mod agent;
mod api_key;
mod audit_log;
mod budget;
mod deployment;
mod execution;
mod idempotency;
mod secret;
mod session;
mod template;
mod user;
mod user_token;
mod workflow;
