//! The events that executions wait for.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use turbocat_domain::{
    id::{EventId, ExecutionId},
    port::{EventQueries, NewEvent, Result, StoredEvent},
};
use uuid::Uuid;

use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, EventValues},
    store::PgStore,
    transaction::{begin, commit, detached},
};

const ENTITY: &str = "event";

#[derive(FromQueryResult)]
struct CountRow {
    count: i64,
}

#[derive(FromQueryResult)]
struct EventRow {
    id: Uuid,
    payload: Value,
    received_at: NaiveDateTime,
}

#[async_trait]
impl EventQueries for PgStore {
    #[tracing::instrument(name = "db.events.publish", skip_all, fields(event.name = event.name), err(level = "debug"))]
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        let db = self.db().clone();
        let event = values(event);
        detached(async move {
            let tx = begin(&db).await?;
            let woken = send(&tx, event).await?;
            commit(tx).await?;
            Ok(woken)
        })
        .await
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        (execution, path): (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        let statement = sql::list_events(name, since.naive_utc(), (execution.as_uuid(), path));
        let rows = EventRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        Ok(rows.into_iter().map(StoredEvent::from).collect())
    }
}

/// Sends an event in a transaction, which holds the lock of its name to the end.
pub(crate) async fn send(tx: &impl ConnectionTrait, event: EventValues) -> Result<u64> {
    tx.execute_raw(sql::lock_event_names(vec![event.name.clone()])).await.about(ENTITY)?;
    let woken = CountRow::find_by_statement(sql::publish_event(event)).one(tx).await.about(ENTITY)?;
    Read(ENTITY).number(Read(ENTITY).required(woken, "count")?.count)
}

pub(crate) fn values(event: &NewEvent) -> EventValues {
    let (execution_id, path) = event.target.clone().unzip();
    EventValues {
        id: event.id.as_uuid(),
        name: event.name.clone(),
        payload: event.payload.to_string(),
        execution_id: execution_id.map(ExecutionId::as_uuid),
        path,
        user_id: event.user_id.as_uuid(),
    }
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        Self { id: EventId::from_uuid(row.id), payload: row.payload, received_at: row.received_at.and_utc() }
    }
}
