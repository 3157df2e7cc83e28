//! The metrics of workflows and agents, folded from facts.

use async_trait::async_trait;
use sea_orm::FromQueryResult;
use turbocat_domain::port::{CounterRepository, Result};

use crate::{convert::Read, error::ErrorContext, sql, store::PgStore};

const ENTITY: &str = "counter_delta";
/// The most rows of facts that one statement folds.
const ROWS_MAX: i64 = 10_000;

#[derive(FromQueryResult)]
struct FoldedRow {
    facts: i64,
    rows: i64,
}

#[async_trait]
impl CounterRepository for PgStore {
    #[tracing::instrument(name = "db.counter_deltas.fold", level = "debug", skip_all, err(level = "debug"))]
    async fn fold(&self) -> Result<u64> {
        let mut facts = 0;
        loop {
            let row = FoldedRow::find_by_statement(sql::fold_counters(ROWS_MAX)).one(self.db()).await.about(ENTITY)?;
            let row = Read(ENTITY).required(row, "facts")?;
            facts += Read(ENTITY).number::<_, u64>(row.facts)?;
            if row.rows < ROWS_MAX {
                return Ok(facts);
            }
        }
    }
}
