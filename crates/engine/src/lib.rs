//! The loops that run executions durably: schedule, claim, run, journal, wake, recover.
//!
//! An [`Engine`] is one worker. It owns executions while they run: each is a `Run` in its memory, whose facts are
//! journalled in batches, and acted on when they are durable. All it knows of the world it knows through ports.
//!
//! # Invariants
//!
//! 1. No successor of a step starts before the step's result is committed.
//! 2. What is recovered from the journal is what was lost: a committed step is not run again.
//! 3. A worker acts only while it trusts its lease; when it does not, it drops everything and comes back as another.
//! 4. Transient failures of storage delay executions, and do nothing else to them.
//! 5. What is done depends on nothing but what the ports answer and when: no order of a hash map shows, and where several
//!    things may happen next the order of a `biased` choice decides; the end of the lease comes first.
//! 6. An idle engine asks storage at most one question a second, besides renewing its lease.

mod acceptor;
mod agents;
mod backoff;
mod children;
mod claim;
mod clock;
mod core;
mod engine;
mod error;
mod figures;
mod follow_up;
mod handle;
mod host;
mod journal_writer;
mod lease;
mod life;
mod logs;
mod options;
mod plans;
mod progress;
mod pulse;
mod schedule;
mod shard;
mod trace;

pub use self::{
    engine::{Engine, StopReason},
    error::EngineError,
    figures::{EngineFigures, Flushes},
    handle::EngineHandle,
    options::{EngineOptions, Ports},
    progress::{Awaited, Progress, StepProgress, StepWait},
};
