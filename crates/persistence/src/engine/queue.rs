//! The queue of executions.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{
        ClaimRequest, ClaimedExecution, EndedChild, ExecutionAcceptor, ExecutionMail, ExecutionQueue, Journal,
        JournalBatch, NewExecution, NextDue, RepositoryError, RequestOutcome, Result,
    },
};

use super::{
    queue_rows::{ChildRow, ClaimedRow, MailRow, arrays, journals},
    standing::Standing,
};
use crate::{
    convert::{Read, utc},
    error::ErrorContext,
    sql,
    store::PgStore,
    transaction::{begin, commit_certainly, detached},
};

const ENTITY: &str = "execution";
/// How often what stands is read, when others insert the same executions at the same time.
const REPEATS_MAX: u32 = 3;

#[derive(FromQueryResult)]
struct InsertedRow {
    inserted_at: NaiveDateTime,
    is_owned: bool,
}

#[derive(FromQueryResult)]
struct MailboxRow {
    has_mail: bool,
}

#[derive(FromQueryResult)]
struct RequestRow {
    is_requested: bool,
    is_known: bool,
}

#[derive(FromQueryResult)]
struct NextDueRow {
    wake_at: Option<NaiveDateTime>,
    schedule_due_at: Option<NaiveDateTime>,
}

#[async_trait]
impl ExecutionQueue for PgStore {
    #[tracing::instrument(name = "db.executions.insert", level = "debug", skip_all, err(level = "debug"))]
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        let mut inserted = self.insert_new(executions, owner).await;
        for _ in 0..REPEATS_MAX {
            if !matches!(inserted, Err(RepositoryError::AlreadyExists { .. })) {
                break;
            }
            inserted = self.insert_missing(executions, owner).await;
        }
        inserted
    }

    #[tracing::instrument(name = "db.executions.claim", level = "debug", skip_all, err(level = "debug"))]
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        let statement = sql::claim_executions(request.worker.as_uuid(), i64::from(request.limit));
        let mut rows = ClaimedRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        rows.sort_by_key(|row| (row.due_at, row.id));
        let have_run = rows.iter().filter(|row| row.has_run).map(|row| row.id).collect();
        let mut journals = journals(self.db(), have_run).await?;
        let (mut claimed, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let failure = row.failure();
            match journals.remove(&row.id).unwrap_or_else(|| Ok(Vec::new())).and_then(|records| row.claimed(records)) {
                Ok(execution) => claimed.push(execution),
                Err(error) => {
                    tracing::error!(execution.id = %failure.id, ?error, "an execution cannot be read, and fails");
                    unreadable.push(failure);
                }
            }
        }
        if !unreadable.is_empty() {
            let batch = JournalBatch { finished: unreadable, ..JournalBatch::default() };
            self.commit(request.worker, &batch).await?;
        }
        Ok(claimed)
    }

    #[tracing::instrument(name = "db.executions.release_unknown", skip_all, err(level = "debug"))]
    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        let known = known.iter().map(|id| id.as_uuid()).collect();
        let statement = sql::release_unknown_executions(worker.as_uuid(), known);
        self.db().execute_raw(statement).await.about(ENTITY).map(|result| result.rows_affected())
    }

    #[tracing::instrument(name = "db.executions.take_mail", level = "debug", skip_all, err(level = "debug"))]
    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        let statement = sql::find_owned_mail(worker.as_uuid());
        let row = MailboxRow::find_by_statement(statement).one(self.db()).await.about(ENTITY)?;
        if !row.is_some_and(|row| row.has_mail) {
            return Ok(Vec::new());
        }
        let db = self.db().clone();
        detached(async move { take_mail(&db, worker).await }).await
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        let parents = parents.iter().map(|id| id.as_uuid()).collect();
        let statement = sql::list_ended_children(parents);
        let rows = ChildRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    #[tracing::instrument(
        name = "db.executions.request_cancel", skip_all, fields(execution.id = %id), err(level = "debug")
    )]
    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        request_cancel(self.db(), id).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        let row = NextDueRow::find_by_statement(sql::find_next_due()).one(self.db()).await.about(ENTITY)?;
        let row = Read(ENTITY).required(row, "wake_at")?;
        Ok(NextDue { execution: utc(row.wake_at), schedule: utc(row.schedule_due_at) })
    }
}

/// Asks for a cancel, in a transaction or not.
pub(crate) async fn request_cancel(conn: &impl ConnectionTrait, id: ExecutionId) -> Result<RequestOutcome> {
    request(conn, sql::request_cancel(id.as_uuid())).await
}

/// Asks something of an execution.
pub(crate) async fn request(conn: &impl ConnectionTrait, statement: Statement) -> Result<RequestOutcome> {
    let row = RequestRow::find_by_statement(statement).one(conn).await.about(ENTITY)?;
    Ok(match Read(ENTITY).required(row, "is_requested")? {
        RequestRow { is_requested: true, .. } => RequestOutcome::Requested,
        RequestRow { is_known: true, .. } => RequestOutcome::Ended,
        RequestRow { .. } => RequestOutcome::Unknown,
    })
}

impl PgStore {
    /// Inserts executions of which none stands.
    async fn insert_new(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        let statement = sql::insert_executions(owner.map(WorkerId::as_uuid), arrays(executions)?);
        let row = InsertedRow::find_by_statement(statement).one(self.db()).await.about(ENTITY)?;
        let row = Read(ENTITY).required(row, "inserted_at")?;
        Ok((row.inserted_at.and_utc(), row.is_owned))
    }

    /// Inserts executions of which some stand: those that do not, without an owner.
    async fn insert_missing(
        &self,
        executions: &[NewExecution],
        owner: Option<WorkerId>,
    ) -> Result<(DateTime<Utc>, bool)> {
        let standing = Standing::read(self.db(), executions).await?;
        let (now, _) = self.insert_new(&standing.missing(executions)?, None).await?;
        let are_owned = owner.is_some_and(|worker| standing.are_all_of(worker, executions));
        Ok((standing.inserted_at().unwrap_or(now), are_owned))
    }
}

#[async_trait]
impl ExecutionAcceptor for PgStore {
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()> {
        self.insert(&executions, None).await.map(|_| ())
    }
}

/// Empties the mailboxes in a transaction of its own, whose fate is known whatever becomes of the connection.
async fn take_mail(db: &DatabaseConnection, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
    let tx = begin(db).await?;
    let statement = sql::take_mail(worker.as_uuid());
    let mut rows = MailRow::find_by_statement(statement).all(&tx).await.about(ENTITY)?;
    let Some(transaction_id) = rows.first().map(|row| row.transaction_id.clone()) else { return Ok(Vec::new()) };
    rows.sort_by_key(|row| row.id);
    commit_certainly(db, tx, &transaction_id).await?;
    Ok(rows.into_iter().map(ExecutionMail::from).collect())
}
