//! The lock under which the schema changes.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::{MigrationError, session};

/// Key of the advisory lock: the text `turbcat` and a number, read as an integer.
const KEY: i64 = 0x7475_7262_6361_7401;

/// How often a waiting process asks again.
const RETRY: Duration = Duration::from_millis(100);

/// A session that holds the lock. It is a connection of its own, so the lock outlives each migration's
/// transaction, covers a migration that wants none, and is freed with the process whatever happens to it.
pub(crate) struct MigrationLock {
    connection: PgConnection,
}

impl MigrationLock {
    /// Waits for the lock.
    ///
    /// It asks again and again instead of waiting inside a statement: that statement would hold a snapshot, for
    /// whose end a concurrent index build of the lock's owner waits - for ever.
    pub(crate) async fn acquire(url: &str) -> Result<Self, MigrationError> {
        let options = session::options(url)?;
        let mut connection = PgConnection::connect_with(&options).await.map_err(MigrationError::Connect)?;
        let mut waiting = false;
        loop {
            let granted: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(KEY)
                .fetch_one(&mut connection)
                .await
                .map_err(MigrationError::Lock)?;
            if granted {
                return Ok(Self { connection });
            }
            if !waiting {
                tracing::info!("another process is changing the schema: waiting for it");
                waiting = true;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Frees the lock by ending its session.
    pub(crate) async fn release(self) -> Result<(), MigrationError> {
        self.connection.close().await.map_err(MigrationError::Lock)
    }
}
