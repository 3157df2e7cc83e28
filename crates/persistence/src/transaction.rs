//! Transactions that nobody can drop half-way, and commits whose outcome is known.

use std::{future::Future, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use tracing::Instrument;
use turbocat_domain::port::{RepositoryError, Result};

use crate::{
    error::{ErrorContext, unstorable},
    sql,
};

const ENTITY: &str = "transaction";
/// How long the fate of a commit is asked for: longer than a restart of the server takes.
const DOUBT_ATTEMPTS: u32 = 40;
const DOUBT_PAUSE: Duration = Duration::from_millis(250);

/// Runs work in a task of its own and awaits it. When the caller is dropped, the work goes on to its end: a
/// `BEGIN` or `COMMIT` of which the answer is not read would leave a connection of the pool in a transaction.
pub(crate) async fn detached<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|panic| Err(unstorable(panic)))
}

/// Begins a transaction; only inside of [`detached`] work.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    db.begin().await.about(ENTITY)
}

/// Commits; only inside of [`detached`] work.
pub(crate) async fn commit(tx: DatabaseTransaction) -> Result<()> {
    tx.commit().await.about(ENTITY)
}

/// Commits, and when the answer is lost asks the server what became of the transaction. For what cannot be asked
/// for again: mail that was taken would be lost with the answer.
pub(crate) async fn commit_certainly(db: &DatabaseConnection, tx: DatabaseTransaction, id: &str) -> Result<()> {
    match commit(tx).await {
        Err(error) if error.is_transient() => settle_doubt(db, id, error).await,
        known => known,
    }
}

async fn settle_doubt(db: &DatabaseConnection, id: &str, lost: RepositoryError) -> Result<()> {
    for _ in 0..DOUBT_ATTEMPTS {
        match fate(db, id).await {
            Ok(Some(status)) if status == "committed" => return Ok(()),
            Ok(Some(status)) if status == "aborted" => return Err(lost),
            Ok(_) | Err(_) => tokio::time::sleep(DOUBT_PAUSE).await,
        }
    }
    Err(lost)
}

async fn fate(db: &DatabaseConnection, id: &str) -> Result<Option<String>> {
    let row = db.query_one_raw(sql::find_transaction_status(id)).await.about(ENTITY)?;
    row.and_then(|row| row.try_get("", "status").transpose()).transpose().about(ENTITY)
}

#[cfg(test)]
mod tests {
    use turbocat_testkit::postgres::TestDatabase;

    use super::*;
    use crate::connect::ConnectOptions;

    fn lost() -> RepositoryError {
        RepositoryError::Backend { transient: true, source: "the answer was lost".into() }
    }

    async fn begun(db: &DatabaseConnection) -> (DatabaseTransaction, String) {
        let tx = begin(db).await.unwrap();
        let id =
            sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "SELECT pg_current_xact_id()::text AS id");
        let id = tx.query_one_raw(id).await.unwrap().unwrap().try_get("", "id").unwrap();
        (tx, id)
    }

    #[tokio::test]
    async fn the_fate_of_a_commit_whose_answer_was_lost_is_found_out() {
        let database = TestDatabase::create().await.unwrap();
        let db = ConnectOptions::new(database.url()).open().await.unwrap();
        let (committed, committed_id) = begun(&db).await;
        let (aborted, aborted_id) = begun(&db).await;
        // Still under way: whoever asks waits for the outcome.
        let asked = tokio::spawn({
            let (db, id) = (db.clone(), committed_id.clone());
            async move { settle_doubt(&db, &id, lost()).await }
        });
        while fate(&db, &committed_id).await.unwrap().as_deref() != Some("in progress") {}
        commit(committed).await.unwrap();
        aborted.rollback().await.unwrap();

        assert!(asked.await.unwrap().is_ok());
        assert!(settle_doubt(&db, &committed_id, lost()).await.is_ok());
        assert!(settle_doubt(&db, &aborted_id, lost()).await.unwrap_err().is_transient());
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_of_its_caller() {
        let failed = detached::<()>(async { panic!("a mistake") }).await;

        assert!(matches!(failed, Err(RepositoryError::Backend { transient: false, .. })));
    }
}
