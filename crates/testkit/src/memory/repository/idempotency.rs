//! The requests that may be sent again, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::Value;
use turbocat_domain::{
    id::UserId,
    idempotency::IdempotencyRecord,
    port::{IdempotencyRepository, RepositoryError, Result},
};

use super::super::unit_of_work::MemoryUnitOfWork;

const ENTITY: &str = "idempotency_key";

#[async_trait]
impl IdempotencyRepository for MemoryUnitOfWork {
    async fn claim(&mut self, record: &IdempotencyRecord, lifetime: TimeDelta) -> Result<Option<IdempotencyRecord>> {
        self.lock_name((ENTITY, record.user_id, record.key.clone())).await?;
        let key = (record.user_id, record.key.clone());
        let standing = self.view.idempotency_keys.get(&key).cloned();
        if let Some(standing) = standing.filter(|standing| standing.created_at >= record.created_at - lifetime) {
            return Ok(Some(standing));
        }
        let record = record.clone();
        self.apply(move |tables| {
            if !tables.users.contains(record.user_id) {
                return Err(RepositoryError::BrokenReference { entity: ENTITY });
            }
            Arc::make_mut(&mut tables.idempotency_keys).insert(key.clone(), record.clone());
            Ok(())
        })?;
        Ok(None)
    }

    async fn answer<'a>(&mut self, user: UserId, key: &'a str, answer: &'a Value) -> Result<()> {
        let (key, answer) = ((user, key.to_owned()), answer.clone());
        self.apply(move |tables| {
            if let Some(record) = Arc::make_mut(&mut tables.idempotency_keys).get_mut(&key) {
                record.answer = Some(answer.clone());
            }
            Ok(())
        })
    }
}
