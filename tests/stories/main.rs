//! Stories: the real binary, a real PostgreSQL, real processes that are killed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests, helpers included"
)]

mod apply;
mod approvals;
mod bench;
mod budgets;
mod chaos;
mod conversation;
mod crash;
mod doctor;
mod documents;
mod embedded;
mod examples;
mod executions;
mod forms;
mod http;
mod mail;
mod mcp;
mod metrics;
mod migrate;
mod newcomer;
mod outage;
mod planted;
mod remote;
mod roles;
mod run;
mod schedules;
mod secrets;
mod tls;
mod traces;
mod turbocat;
mod up;
