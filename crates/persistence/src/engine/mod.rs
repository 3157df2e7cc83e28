//! The engine's protocol: leases, the queue, the journal, events, metrics, lines of logs. Each call is atomic by
//! itself, and most are one statement.

mod budgets;
mod counters;
mod events;
mod journal;
mod journal_line;
mod journal_rows;
mod logs;
mod parts;
mod permits;
mod queue;
mod queue_rows;
mod schedules;
mod session;
mod standing;
mod worker;

pub(crate) use events::{send, values};
pub(crate) use parts::list_parts;
pub(crate) use queue::request;
pub(crate) use queue_rows::{arrays, parent};
pub(crate) use session::Sessions;
