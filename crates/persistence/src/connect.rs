//! Connections: their options, and what the server says about itself.

use std::time::Duration;

use sea_orm::{Database, DatabaseConnection, FromQueryResult};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use turbocat_domain::port::Result;

use crate::{error::ErrorContext, sql};

/// One for each batch that an engine has under way, and one to spare: for what it ends without having run it.
const JOURNAL_CONNECTIONS: u32 = 3;

const ENTITY: &str = "database";
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer than this is asked whether it still lives before it is handed out.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(30);

/// How to connect. `ConnectOptions::new(url)` has what a server needs.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The address of the database, `postgres://…`. It may hold a password: it is not printed.
    pub url: String,
    /// The most connections of the pool. Besides it there are one a registered worker, one for lines of logs, and
    /// one a receiver of wake-ups.
    pub pool_max: u32,
    /// What the server's list of sessions calls them.
    pub application_name: String,
    /// The longest statement, in milliseconds.
    pub statement_timeout_ms: u64,
    /// The longest wait for a lock, in milliseconds.
    pub lock_timeout_ms: u64,
    /// The longest pause inside of a transaction, in milliseconds: past it the server ends the session.
    pub idle_in_transaction_timeout_ms: u64,
}

impl ConnectOptions {
    /// Ten connections, 30 seconds for a statement, 10 for a lock or a pause in a transaction.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_max: 10,
            application_name: "turbocat".to_owned(),
            statement_timeout_ms: 30_000,
            lock_timeout_ms: 10_000,
            idle_in_transaction_timeout_ms: 10_000,
        }
    }

    /// The options of every session, whoever opens it.
    pub(crate) fn session(&self) -> Result<PgConnectOptions> {
        let options = self.url.parse::<PgConnectOptions>().about(ENTITY)?;
        Ok(self.apply(options))
    }

    fn apply(&self, options: PgConnectOptions) -> PgConnectOptions {
        options
            .application_name(&self.application_name)
            .options([
                ("TimeZone", "UTC".to_owned()),
                ("statement_timeout", self.statement_timeout_ms.to_string()),
                ("lock_timeout", self.lock_timeout_ms.to_string()),
                ("idle_in_transaction_session_timeout", self.idle_in_transaction_timeout_ms.to_string()),
                // The statements are short and their estimates are generic: compiling them costs more than it saves.
                ("jit", "off".to_owned()),
            ])
            .disable_statement_logging()
    }

    /// Opens the pool, and one connection to see that the server is there.
    pub(crate) async fn open(&self) -> Result<DatabaseConnection> {
        Database::connect(self.pool(self.pool_max, |options| options)).await.about(ENTITY)
    }

    /// The connections of the journal. Its statement is planned once, often on empty tables, and reads by keys alone:
    /// plans that would get slow when the tables have grown are taken out of the choice.
    pub(crate) async fn open_journal(&self) -> Result<DatabaseConnection> {
        const CHOICE: [(&str, &str); 4] = [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_nestloop", "off"),
            ("enable_mergejoin", "off"),
        ];
        let mut options = self.pool(JOURNAL_CONNECTIONS, |options| options.options(CHOICE));
        options.connect_lazy(true);
        Database::connect(options).await.about(ENTITY)
    }

    /// A pool of one connection whose commits do not wait for the disk: for what may be lost with the server.
    pub(crate) async fn open_unhurried(&self) -> Result<DatabaseConnection> {
        let mut options = self.pool(1, |options| options.options([("synchronous_commit", "off")]));
        options.connect_lazy(true);
        Database::connect(options).await.about(ENTITY)
    }

    /// A pool of one connection that stays as long as it can: what its session locks is held by it alone. It is
    /// looked at each time before it is used, and replaced when it is dead.
    pub(crate) async fn open_session(&self) -> Result<DatabaseConnection> {
        let mut options = self.pool(1, |options| options);
        options
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(true)
            .test_before_acquire_if_idle_for(Duration::ZERO);
        Database::connect(options).await.about(ENTITY)
    }

    fn pool(&self, connections: u32, adjust: fn(PgConnectOptions) -> PgConnectOptions) -> sea_orm::ConnectOptions {
        let session = self.clone();
        let mut options = sea_orm::ConnectOptions::new(&self.url);
        options
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire_if_idle_for(IDLE_BEFORE_PING)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(move |options| adjust(session.apply(options)));
        options
    }
}

impl std::fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("pool_max", &self.pool_max)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// What the server says about itself, as far as durability and capacity depend on it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Settings {
    /// `server_version`: `15.6`.
    pub server_version: String,
    /// Whether commits reach the disk.
    pub fsync: bool,
    /// What a commit waits for: `off` loses acknowledged commits in a crash.
    pub synchronous_commit: String,
    /// Whether torn pages can be mended.
    pub full_page_writes: bool,
    /// The most sessions of the server.
    pub max_connections: i32,
    /// The zone of this session, which must be UTC.
    pub time_zone: String,
    /// Whether queries of agents can be run under a role that has no rights.
    pub tabular_sql: bool,
}

impl Settings {
    /// Asks the server.
    pub(crate) async fn read(db: &DatabaseConnection) -> Result<Self> {
        let settings = Self::find_by_statement(sql::get_settings()).one(db).await.about(ENTITY)?;
        crate::convert::Read(ENTITY).required(settings, "settings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_not_printed() {
        let options = ConnectOptions::new("postgres://me:secret@host/db");

        assert!(!format!("{options:?}").contains("secret"));
    }

    #[test]
    fn an_address_that_is_none_is_an_error() {
        assert!(ConnectOptions::new("nonsense").session().is_err());
    }
}
