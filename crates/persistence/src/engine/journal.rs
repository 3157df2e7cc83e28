//! The journal: one statement a batch, under the fence of its worker.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use turbocat_domain::{
    id::WorkerId,
    port::{CommitOutcome, Journal, JournalBatch, RepositoryError, Result},
};

use super::journal_rows::{awaited_names, rows};
use crate::{
    convert::Read,
    error::ErrorContext,
    sql,
    store::PgStore,
    transaction::{begin, commit, detached},
};

const ENTITY: &str = "journal";

#[derive(FromQueryResult)]
struct FenceRow {
    is_alive: bool,
}

#[async_trait]
impl Journal for PgStore {
    #[tracing::instrument(
        name = "db.journal.commit", level = "debug", skip_all, fields(worker.id = %worker), err(level = "debug")
    )]
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        let statement = sql::commit_journal(worker.as_uuid(), rows(batch)?);
        let names = awaited_names(batch);
        match self.write(&statement, &names).await {
            // An execution or a step was deleted while the statement ran. It is not there for the next one.
            Err(RepositoryError::BrokenReference { .. }) => self.write(&statement, &names).await,
            outcome => outcome,
        }
    }
}

impl PgStore {
    async fn write(&self, statement: &Statement, awaited: &[String]) -> Result<CommitOutcome> {
        if awaited.is_empty() {
            return execute(&self.journal, statement.clone()).await;
        }
        self.write_in_turn(statement.clone(), awaited.to_vec()).await
    }

    /// Writes a batch with executions that wait for events, in turn with those who publish them: an event is seen
    /// here, or its publisher sees the wait.
    async fn write_in_turn(&self, statement: Statement, awaited: Vec<String>) -> Result<CommitOutcome> {
        let db: DatabaseConnection = self.journal.clone();
        detached(async move {
            let tx = begin(&db).await?;
            tx.execute_raw(sql::lock_event_names(awaited)).await.about(ENTITY)?;
            let outcome = execute(&tx, statement).await?;
            commit(tx).await?;
            Ok(outcome)
        })
        .await
    }
}

async fn execute(conn: &impl ConnectionTrait, statement: Statement) -> Result<CommitOutcome> {
    let row = FenceRow::find_by_statement(statement).one(conn).await.about(ENTITY)?;
    let is_alive = Read(ENTITY).required(row, "is_alive")?.is_alive;
    Ok(if is_alive { CommitOutcome::Committed } else { CommitOutcome::Fenced })
}
