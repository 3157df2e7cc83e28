//! The requests that may be sent again.

use async_trait::async_trait;
use chrono::{NaiveDateTime, TimeDelta};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use turbocat_domain::{
    id::UserId,
    idempotency::IdempotencyRecord,
    port::{IdempotencyRepository, Result},
};
use uuid::Uuid;

use super::found;
use crate::{
    error::ErrorContext,
    sql::{self, ClaimValues},
    store::Pg,
};

const ENTITY: &str = "idempotency_key";

#[derive(FromQueryResult)]
struct Row {
    user_id: Uuid,
    key: String,
    fingerprint: String,
    resource_id: Uuid,
    answer: Option<Value>,
    created_at: NaiveDateTime,
}

#[async_trait]
impl<C: ConnectionTrait + Send> IdempotencyRepository for Pg<C> {
    #[tracing::instrument(name = "db.idempotency_keys.claim", skip_all, err(level = "debug"))]
    async fn claim(&mut self, record: &IdempotencyRecord, lifetime: TimeDelta) -> Result<Option<IdempotencyRecord>> {
        self.settle(claim(self.usable()?, record, lifetime).await)
    }

    #[tracing::instrument(name = "db.idempotency_keys.answer", skip_all, err(level = "debug"))]
    async fn answer<'a>(&mut self, user: UserId, key: &'a str, answer: &'a Value) -> Result<()> {
        let statement = sql::answer_idempotency_key(user.as_uuid(), key, answer.to_string());
        let answered = self.usable()?.execute_raw(statement).await.about(ENTITY);
        self.settle(answered.map(|_| ()))
    }
}

async fn claim(
    conn: &impl ConnectionTrait,
    record: &IdempotencyRecord,
    lifetime: TimeDelta,
) -> Result<Option<IdempotencyRecord>> {
    let values = ClaimValues {
        user_id: record.user_id.as_uuid(),
        key: record.key.clone(),
        fingerprint: record.fingerprint.clone(),
        resource_id: record.resource_id,
        created_at: record.created_at.naive_utc(),
        since: (record.created_at - lifetime).naive_utc(),
    };
    if conn.query_one_raw(sql::claim_idempotency_key(values)).await.about(ENTITY)?.is_some() {
        return Ok(None);
    }
    let statement = sql::find_idempotency_key(record.user_id.as_uuid(), &record.key);
    let row = Row::find_by_statement(statement).one(conn).await.about(ENTITY)?;
    found(row, ENTITY).map(|row| Some(IdempotencyRecord::from(row)))
}

impl From<Row> for IdempotencyRecord {
    fn from(row: Row) -> Self {
        Self {
            user_id: UserId::from_uuid(row.user_id),
            key: row.key,
            fingerprint: row.fingerprint,
            resource_id: row.resource_id,
            answer: row.answer,
            created_at: row.created_at.and_utc(),
        }
    }
}
