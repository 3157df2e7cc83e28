//! The limit: what this PostgreSQL can do at best for the same promise, without any engine.
//!
//! - [`rows`]: the same rows in the same tables as the engine's, committed by the fastest batches.
//! - [`commits`]: one row and one commit at a time, by as many clients as it takes (L1): the ceiling of every design
//!   that commits each step by itself.
//! - [`shapes`]: the commits that a single step, a chain and a fan-out cannot do without, one after another on one
//!   connection (L5, L3, L4): the floor of their latency.
//!
//! The last two have tables of their own, as slim as a journal can be. All statements are prepared. The code here uses
//! nothing of the engine.

pub(crate) mod commits;
pub(crate) mod rows;
pub(crate) mod shapes;

use sqlx::PgConnection;

/// The tables of [`commits`] and [`shapes`].
const TABLES: &str = include_str!("tables.sql");

/// Makes the slim tables, empty.
///
/// # Errors
///
/// If the server refuses.
pub(crate) async fn make_tables(session: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(TABLES).execute(session).await?;
    Ok(())
}
