//! Queries of users over tables that come with them, run under a role that has no rights.
//!
//! Each query has a connection of its own, in a transaction that can only read, and calls one function that belongs to
//! the role and switches to it (see the migration `m0030_tabular_sql`). When it has answered, or its caller has gone,
//! the connection is closed, and with it everything that a session can hold: locks, settings, prepared statements.
//!
//! # Invariants
//!
//! 1. Nothing that a query does outlives it.
//! 2. At most [`AT_ONCE`] queries run at once in a process: what one may cost is bounded, and so are all together.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use tokio::sync::Semaphore;
use turbocat_domain::{
    port::{TabularQuery, TabularSql},
    step_run::StepError,
};

use crate::{connect::ConnectOptions, sql};

/// The queries of one process that run at once; the others wait.
const AT_ONCE: usize = 4;
/// The memory of one sort or hash table of a query.
const WORK_MEM: &str = "16MB";
/// Begins the transaction, and bounds the disk that a query may use where this user may do that.
const BEGIN: &str = "BEGIN READ ONLY; DO $$ BEGIN SET LOCAL temp_file_limit = '256MB'; \
                     EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";
/// How often the server looks whether who asked is still there.
const LOOK_AFTER_CLIENT: &str = "1s";

/// What the function raises when an answer is too large.
const TOO_LARGE: &str = "TC001";

/// Runs queries on the database, apart from everything else that is done there.
#[derive(Clone, Debug)]
pub struct PgTabular {
    options: Arc<ConnectOptions>,
    slots: Arc<Semaphore>,
}

impl PgTabular {
    pub(crate) fn new(options: Arc<ConnectOptions>) -> Self {
        Self { options, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn connect(&self, timeout_ms: u64) -> Result<PgConnection, StepError> {
        let unreachable = |error: &dyn std::error::Error| {
            StepError::transient("database_unavailable", format!("the database cannot be reached: {error}"))
        };
        let options = self.options.session().map_err(|error| unreachable(&error))?;
        let options = options.application_name("turbocat query").options([
            ("statement_timeout", timeout_ms.to_string().as_str()),
            ("default_transaction_read_only", "on"),
            ("work_mem", WORK_MEM),
            ("max_parallel_workers_per_gather", "0"),
            ("standard_conforming_strings", "on"),
            ("client_connection_check_interval", LOOK_AFTER_CLIENT),
        ]);
        PgConnection::connect_with(&options).await.map_err(|error| unreachable(&error))
    }
}

#[async_trait]
impl TabularSql for PgTabular {
    #[tracing::instrument(name = "db.tabular.query", skip_all)]
    async fn rows(&self, query: &TabularQuery) -> Result<Vec<String>, StepError> {
        // Closed only when the store is gone, and then nobody asks.
        let _slot = self.slots.acquire().await.map_err(|error| StepError::transient("crashed", error.to_string()))?;
        // A connection that is dropped is closed: what a query left behind in it ends there.
        let mut connection = self.connect(query.timeout_ms).await?;
        sqlx::raw_sql(BEGIN).execute(&mut connection).await.map_err(explain)?;
        let rows = sqlx::query_scalar(sql::RUN_TABULAR_QUERY)
            .bind(&query.statement)
            .bind(query.tables.to_string())
            .bind(i32::try_from(query.rows_max).unwrap_or(i32::MAX))
            .bind(i64::try_from(query.bytes_max).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut connection)
            .await
            .map_err(explain)?;
        // Nothing is lost with a connection that cannot say good-bye.
        let _closed = connection.close().await;
        Ok(rows)
    }
}

/// What the server's error means for the step.
fn explain(error: sqlx::Error) -> StepError {
    let sqlx::Error::Database(said) = &error else {
        return StepError::transient("database_unavailable", format!("the database broke off: {error}"));
    };
    let (code, message) = (said.code().unwrap_or_default(), said.message().to_owned());
    match code.as_ref() {
        TOO_LARGE => StepError::permanent("output_too_large", message),
        "57014" => StepError::transient("timeout", "the query took too long"),
        "42883" | "42501" if message.contains("turbocat_run_sql") => StepError::permanent(
            "sql_not_available",
            "the database is not set up for the queries of agents: `turbocat doctor` says what is missing",
        ),
        "42501" => StepError::permanent("data_failed", format!("a query sees its own tables alone: {message}")),
        "53100" | "53200" | "53400" | "54000" | "54001" => {
            StepError::permanent("out_of_memory", format!("the query needs more than it is given: {message}"))
        }
        code if code.starts_with("08")
            || code.starts_with("57")
            || code.starts_with("53")
            || code.starts_with("58") =>
        {
            StepError::transient("database_unavailable", message)
        }
        _ => StepError::permanent("data_failed", message),
    }
}
