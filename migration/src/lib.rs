//! The database schema, as migrations that the binary carries.
//!
//! A migration is a pair of SQL files in `src/sql` and a line in `migrations.rs`; it runs in a transaction with
//! its own entry in the migration table. What the server needs at start is [`ensure_current`]; what an
//! administrator needs is [`up`], [`down`], [`status`] and [`grant`]. This crate never fills tables with data.
//!
//! # Invariants
//!
//! 1. Schema changes of one database never overlap, whatever number of processes starts them.
//! 2. A database that knows migrations which this binary does not know is never changed by it.
//! 3. Every session works in UTC: `NOW()` in a `TIMESTAMP` column is the session's wall clock.
//!
//! # How to add a migration
//!
//! Write `mNNNN_name.up.sql` and `mNNNN_name.down.sql`, each statement with the reason for it, and name them at the
//! end of the list in `migrations.rs`. A migration that was released is never edited.

mod change;
mod error;
mod grant;
mod lock;
mod migrations;
mod session;

pub use change::{MigrationState, down, ensure_current, status, up};
pub use error::MigrationError;
pub use grant::grant;
pub use migrations::fingerprint;
