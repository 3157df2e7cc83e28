//! The API keys, in a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    api_key::ApiKey,
    id::ApiKeyId,
    port::{ApiKeyRepository, Result},
};

use super::super::unit_of_work::MemoryUnitOfWork;

#[async_trait]
impl ApiKeyRepository for MemoryUnitOfWork {
    async fn insert(&mut self, api_key: &ApiKey) -> Result<()> {
        let api_key = api_key.clone();
        self.apply(move |tables| tables.insert(std::slice::from_ref(&api_key)))
    }

    async fn save(&mut self, api_key: &ApiKey, now: DateTime<Utc>) -> Result<()> {
        let api_key = api_key.clone();
        self.apply(move |tables| tables.save(&api_key, now))
    }

    async fn delete(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.delete::<ApiKey>(id, now))
    }

    async fn restore(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.restore::<ApiKey>(id, now))
    }
}
