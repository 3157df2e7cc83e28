//! The workers' leases, by the database's clock alone.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::FromQueryResult;
use turbocat_domain::{
    id::WorkerId,
    port::{LeaseGrant, NewWorker, Renewal, Result, Takeover, WorkerRepository},
};
use uuid::Uuid;

use crate::{
    convert::{Read, fit},
    error::ErrorContext,
    sql,
    store::PgStore,
    transaction::{begin, commit, detached},
};

const ENTITY: &str = "worker";

#[derive(FromQueryResult)]
struct GrantRow {
    granted_at: NaiveDateTime,
}

#[derive(FromQueryResult)]
struct WorkerRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct TakeoverRow {
    workers: i64,
    executions: i64,
}

#[derive(FromQueryResult)]
struct CountRow {
    count: i64,
}

impl From<GrantRow> for LeaseGrant {
    fn from(row: GrantRow) -> Self {
        Self { granted_at: row.granted_at.and_utc() }
    }
}

#[async_trait]
impl WorkerRepository for PgStore {
    #[tracing::instrument(name = "db.workers.register", skip_all, fields(worker.id = %worker.id), err(level = "debug"))]
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        let lock_key = lock_key(worker.id);
        let statement = sql::insert_worker(worker.id.as_uuid(), &worker.name, lock_key, fit(worker.lease_ms)?);
        let session = self.sessions.get(worker.id, &self.options).await?;
        let grant = GrantRow::find_by_statement(statement).one(&session).await.about(ENTITY)?;
        Read(ENTITY).required(grant, "granted_at").map(LeaseGrant::from)
    }

    #[tracing::instrument(
        name = "db.workers.renew", level = "debug", skip_all, fields(worker.id = %id), err(level = "debug")
    )]
    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        let statement = sql::renew_worker(id.as_uuid(), fit(lease_ms)?);
        let session = self.sessions.get(id, &self.options).await?;
        if let Some(grant) = GrantRow::find_by_statement(statement).one(&session).await.about(ENTITY)? {
            return Ok(Renewal::Renewed(grant.into()));
        }
        self.sessions.close(id).await;
        Ok(Renewal::Fenced)
    }

    #[tracing::instrument(name = "db.workers.release", skip_all, fields(worker.id = %id), err(level = "debug"))]
    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        let takeover = self.bury(vec![id.as_uuid()], Loss::Released).await?;
        self.sessions.close(id).await;
        Ok(takeover)
    }

    #[tracing::instrument(name = "db.workers.take_over", level = "debug", skip_all, err(level = "debug"))]
    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        let statement = sql::find_dead_workers(finder.as_uuid());
        let dead = WorkerRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        if dead.is_empty() {
            return Ok(Takeover::default());
        }
        self.bury(dead.into_iter().map(|row| row.id).collect(), Loss::Died).await
    }

    async fn count_live(&self) -> Result<u32> {
        let row = CountRow::find_by_statement(sql::count_live_workers()).one(self.db()).await.about(ENTITY)?;
        Read(ENTITY).number(Read(ENTITY).required(row, "count")?.count)
    }
}

/// Why executions lose their owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It gave them back.
    Released,
    /// It died: an execution that made no progress comes closer to being given up.
    Died,
}

impl PgStore {
    /// Marks workers dead and frees what they own, in two statements: the first waits for their commits under way,
    /// the second has a snapshot that sees what those wrote.
    async fn bury(&self, workers: Vec<Uuid>, loss: Loss) -> Result<Takeover> {
        let db = self.db().clone();
        detached(async move {
            let tx = begin(&db).await?;
            let locked = WorkerRow::find_by_statement(sql::lock_workers(workers)).all(&tx).await.about(ENTITY)?;
            let alive: Vec<Uuid> = locked.into_iter().map(|row| row.id).collect();
            let statement = sql::free_executions(alive, loss == Loss::Died);
            let freed = TakeoverRow::find_by_statement(statement).one(&tx).await.about(ENTITY)?;
            commit(tx).await?;
            let freed = Read(ENTITY).required(freed, "executions")?;
            Ok(Takeover {
                workers: Read(ENTITY).number(freed.workers)?,
                executions: Read(ENTITY).number(freed.executions)?,
            })
        })
        .await
    }
}

/// The key of the lock that a worker's session holds: its id, folded to half.
fn lock_key(id: WorkerId) -> i64 {
    let (high, low) = id.as_uuid().as_u64_pair();
    (high ^ low).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_start_in_the_same_millisecond_have_different_keys() {
        let one = WorkerId::from_uuid(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
        let other = WorkerId::from_uuid(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));

        assert_ne!(lock_key(one), lock_key(other));
    }
}
