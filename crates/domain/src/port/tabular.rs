//! Queries in SQL over tables that come with them.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::step_run::StepError;

/// A query, the rows that it is about, and what it may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct TabularQuery {
    /// One statement that gives one column of text; `$1` is `tables`, as JSON.
    pub statement: String,
    /// The rows of the tables, by their names: `{"orders": [{"id": 1}]}`.
    pub tables: Value,
    /// The most rows.
    pub rows_max: u32,
    /// The most bytes of all rows.
    pub bytes_max: usize,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Runs queries of users. A query reads nothing but its own tables, changes nothing, and leaves nothing behind, whatever
/// it says; who runs it does not rely on what was looked for in it before.
#[async_trait]
pub trait TabularSql: fmt::Debug + Send + Sync {
    /// The rows of the answer, in their order. Dropping the future ends the query.
    ///
    /// # Errors
    ///
    /// A [`StepError`]: `data_failed` if the query is wrong, `timeout`, `output_too_large`, `out_of_memory`,
    /// `sql_not_available` if the database is not set up for it; a transient one if it cannot be reached.
    async fn rows(&self, query: &TabularQuery) -> Result<Vec<String>, StepError>;
}
