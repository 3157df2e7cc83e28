//! The ports of the domain on `PostgreSQL`.
//!
//! [`PgStore`] is the one thing that leaves this crate: it opens units of work, answers queries, and speaks the
//! engine's protocol (leases, queue, journal, events). Rows, columns and SQL stay inside. The schema is that of
//! the migrations; this crate changes none of it.
//!
//! # Invariants
//!
//! 1. No transaction is begun, committed or rolled back in a future that its caller can drop: `detached` runs it.
//! 2. A unit of work in which a statement failed is never committed, and says so.
//! 3. Every session works in UTC and has timeouts for statements, locks and idle transactions.
//! 4. A stored row that the domain cannot read is `Corrupt`: it never panics and never becomes a default.
//! 5. Every hand-written statement is a file of `src/sql`, and a test has `PostgreSQL` plan it.

mod access;
mod audit;
mod connect;
mod convert;
mod engine;
mod entity;
mod error;
mod figures;
mod page;
mod repository;
mod sql;
mod store;
mod tabular;
mod transaction;
mod wakeup;

pub use audit::{AuditBreach, AuditHead, AuditReport};
pub use connect::{ConnectOptions, Settings};
pub use figures::{PoolFigures, QueueFigures};
pub use store::PgStore;
pub use tabular::PgTabular;
pub use wakeup::Wakeups;
