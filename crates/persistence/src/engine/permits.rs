//! The permits of agents, shared under one lock an agent.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use turbocat_domain::{
    id::{AgentId, WorkerId},
    permit::{PermitGrant, PermitRequest, PermitShare},
    port::{PermitLedger, RepositoryError, Result},
};
use uuid::Uuid;

use crate::{
    convert::{Read, fit, stored, utc},
    error::ErrorContext,
    sql::{self, PermitValues},
    store::PgStore,
    transaction,
};

const ENTITY: &str = "agent_permit";

#[derive(FromQueryResult)]
struct ShareRow {
    worker_id: Uuid,
    granted: i32,
    wanted: i32,
    waiting_since: Option<NaiveDateTime>,
    limit: Option<i32>,
    now: NaiveDateTime,
}

impl TryFrom<&ShareRow> for PermitShare {
    type Error = RepositoryError;

    fn try_from(row: &ShareRow) -> Result<Self> {
        let read = Read(ENTITY);
        let (granted, wanted) = (read.number(row.granted)?, read.number(row.wanted)?);
        Ok(Self { granted, wanted, waiting_since: utc(row.waiting_since) })
    }
}

#[async_trait]
impl PermitLedger for PgStore {
    #[tracing::instrument(name = "db.agent_permits.take", level = "debug", skip_all, err(level = "debug"))]
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        let (store, worker, agent) = (self.clone(), worker.as_uuid(), agent.as_uuid());
        transaction::detached(async move {
            let tx = transaction::begin(store.db()).await?;
            tx.execute_raw(sql::lock_permits(agent)).await.about(ENTITY)?;
            let rows = ShareRow::find_by_statement(sql::list_permits(worker, agent)).all(&tx).await.about(ENTITY)?;
            let Some(own) = rows.iter().find(|row| row.worker_id == worker) else {
                return Ok(PermitGrant::default());
            };
            let Some(limit) = own.limit else { return Ok(PermitGrant::default()) };
            let others = rows.iter().filter(|row| row.worker_id != worker);
            let others = others.map(PermitShare::try_from).collect::<Result<Vec<_>>>()?;
            let limit = Read(ENTITY).number::<_, u32>(limit)?.max(1);
            let now = own.now.and_utc();
            let (share, is_contended) = PermitShare::try_from(own)?.next(request, (limit, &others), now);
            let PermitShare { granted, wanted, waiting_since } = share;
            let waiting_since = stored(waiting_since);
            let values = PermitValues { worker, agent, granted: fit(granted)?, wanted: fit(wanted)?, waiting_since };
            tx.execute_raw(sql::put_permits(values)).await.about(ENTITY)?;
            transaction::commit(tx).await?;
            Ok(PermitGrant { granted, is_contended })
        })
        .await
    }
}
