//! The contract of the ports of storage: each rule written once, and run on every store.
//!
//! A rule is a function whose name is its sentence; [`store_contract!`](crate::store_contract) makes a test of each
//! for a store that a future gives, fresh and empty for every rule.
//!
//! # Invariants
//!
//! 1. No rule sleeps, and none depends on the store's time but through the hooks of [`ContractStore`].
//! 2. Each rule here is in the suite (a test compares the files with the macro).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a rule that is broken panics: that is what a test does"
)]

pub mod access;
pub mod aggregate;
pub mod cancel;
pub mod counter;
pub mod deployment;
pub mod differential;
pub mod event;
pub mod execution;
pub mod journal;
mod kind;
pub mod name;
pub mod parking;
pub mod part;
pub mod pause;
pub mod permit;
pub mod queue;
mod scene;
pub mod schedule;
pub mod secret;
pub mod sorting;
mod suite;
pub mod unit_of_work;
pub mod usage;
pub mod user_token;
pub mod waiting;
pub mod worker;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ExecutionId, WorkerId, WorkflowId},
    port::{
        AccessLedger, BudgetLedger, CounterRepository, EventQueries, ExecutionAcceptor, ExecutionQueue, Journal,
        LogWriter, PartJournal, PermitLedger, Queries, RateLimiter, ScheduleRepository, Store, WorkerRepository,
    },
    schedule::Verdict,
};

pub use self::{differential::differential, scene::Scene};

/// A store under test: all ports of storage, and hooks for what a test cannot wait for.
#[async_trait]
pub trait ContractStore:
    Store
    + Queries
    + WorkerRepository
    + ExecutionQueue
    + EventQueries
    + Journal
    + LogWriter
    + CounterRepository
    + PartJournal
    + BudgetLedger
    + PermitLedger
    + ScheduleRepository
    + ExecutionAcceptor
    + RateLimiter
    + AccessLedger
{
    /// Lets the store's time move on, be it by a microsecond. A database whose clock runs has nothing to do.
    async fn tick(&self);

    /// Lets a worker's lease run out, and changes nothing else.
    async fn expire_lease(&self, worker: WorkerId);

    /// Lets the time come that a parked execution waits for, and changes nothing else.
    async fn make_due(&self, execution: ExecutionId);

    /// Lets the next tick of a workflow's schedule be this one, without jitter, and changes nothing else.
    async fn set_next_tick(&self, workflow: WorkflowId, tick: DateTime<Utc>);

    /// What became of the ticks of a workflow, in their order.
    async fn ticks(&self, workflow: WorkflowId) -> Vec<(DateTime<Utc>, Verdict, Option<ExecutionId>)>;
}
