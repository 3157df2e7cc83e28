//! The journal: one statement a batch, under the fence of its worker.

use async_trait::async_trait;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use turbocat_domain::{
    id::WorkerId,
    port::{CommitOutcome, Journal, JournalBatch, RepositoryError, Result},
};

use super::journal_rows::{awaited_names, rows};
use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, Care},
    store::PgStore,
    transaction::{begin, commit, detached},
};

const ENTITY: &str = "journal";

#[derive(FromQueryResult)]
struct AnswerRow {
    is_alive: bool,
    is_complete: bool,
}

#[async_trait]
impl Journal for PgStore {
    #[tracing::instrument(
        name = "db.journal.commit", level = "debug", skip_all, fields(worker.id = %worker), err(level = "debug")
    )]
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        const REPEATS_MAX: u32 = 3;
        let names = awaited_names(batch);
        let statement = |care| Ok::<_, RepositoryError>(sql::commit_journal(worker.as_uuid(), rows(batch)?, care));
        if !may_stand(batch) {
            match self.write(statement(Care::Plain)?, &names).await {
                Ok(Some(outcome)) => return Ok(outcome),
                // Something is not as it mostly is.
                Ok(None) => {}
                Err(error) if met_another(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let careful = statement(Care::Careful)?;
        let mut outcome = self.write(careful.clone(), &names).await;
        for _ in 0..REPEATS_MAX {
            if !outcome.as_ref().is_err_and(met_another) {
                break;
            }
            outcome = self.write(careful.clone(), &names).await;
        }
        Ok(outcome?.unwrap_or(CommitOutcome::Fenced))
    }
}

/// While the statement ran, an execution or a step was deleted, or the same batch was committed by a session whose
/// answer was lost. The next one sees that.
const fn met_another(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::BrokenReference { .. } | RepositoryError::AlreadyExists { .. })
}

/// Whether a record of the batch probably stands already as one that runs: then it is not worth to hope.
fn may_stand(batch: &JournalBatch) -> bool {
    /// What runs that long has a record, mostly.
    const SHOWN_AFTER: TimeDelta = TimeDelta::milliseconds(200);
    batch.records.iter().any(|record| record.ended_at.is_some_and(|ended| ended - record.started_at >= SHOWN_AFTER))
}

impl PgStore {
    /// Writes a batch; `None` if it was hoped in vain that all is as it mostly is, and nothing is written.
    async fn write(&self, statement: Statement, awaited: &[String]) -> Result<Option<CommitOutcome>> {
        if awaited.is_empty() {
            return execute(&self.journal, statement).await;
        }
        self.write_in_turn(statement, awaited.to_vec()).await
    }

    /// Writes a batch with executions that wait for events, in turn with those who publish them: an event is seen
    /// here, or its publisher sees the wait.
    async fn write_in_turn(&self, statement: Statement, awaited: Vec<String>) -> Result<Option<CommitOutcome>> {
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

async fn execute(conn: &impl ConnectionTrait, statement: Statement) -> Result<Option<CommitOutcome>> {
    let row = AnswerRow::find_by_statement(statement).one(conn).await.about(ENTITY)?;
    let AnswerRow { is_alive, is_complete } = Read(ENTITY).required(row, "is_alive")?;
    Ok(match (is_alive, is_complete) {
        (false, _) => Some(CommitOutcome::Fenced),
        (true, true) => Some(CommitOutcome::Committed),
        (true, false) => None,
    })
}
