//! The store and its queue as numbers: for who watches over the process.

use sea_orm::{DatabaseConnection, FromQueryResult};
use turbocat_domain::port::Result;

use crate::{convert::Read, error::ErrorContext, sql, store::PgStore};

const ENTITY: &str = "queue";
/// The most executions that are counted: beyond it the number says "many".
const COUNTED_MAX: i64 = 10_000;

/// How the queue stands. What is beyond ten thousand is not counted.
#[derive(Debug, Clone, Copy, PartialEq, FromQueryResult)]
pub struct QueueFigures {
    /// Executions that nobody owns and whose time has come.
    pub claimable: i64,
    /// Executions that nobody owns until their time comes.
    pub parked: i64,
    /// For how many seconds the first of those has been due whose time has come.
    pub due_for_s: Option<f64>,
}

/// How one pool of connections stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFigures {
    /// What it is for: `main`, `journal`, `logs`.
    pub name: &'static str,
    /// Its connections.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
}

impl PgStore {
    /// How the queue stands.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`](turbocat_domain::port::RepositoryError::Backend) if the server does not answer.
    pub async fn queue_figures(&self) -> Result<QueueFigures> {
        let row = QueueFigures::find_by_statement(sql::count_queue(COUNTED_MAX)).one(self.db()).await.about(ENTITY)?;
        Read(ENTITY).required(row, "claimable")
    }

    /// How the pools stand.
    #[must_use]
    pub fn pools(&self) -> [PoolFigures; 3] {
        [pool("main", self.db()), pool("journal", &self.journal), pool("logs", &self.unhurried)]
    }
}

fn pool(name: &'static str, db: &DatabaseConnection) -> PoolFigures {
    let pool = db.get_postgres_connection_pool();
    PoolFigures { name, open: pool.size(), idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(pool.size()) }
}
