//! Reads API keys.

use async_trait::async_trait;
use turbocat_domain::{
    api_key::ApiKey,
    id::{ApiKeyId, UserId},
    port::{ApiKeyQueries, Page, PageRequest, Result},
    value::SoftDelete,
};

use super::super::MemoryStore;

#[async_trait]
impl ApiKeyQueries for MemoryStore {
    async fn get(&self, id: ApiKeyId) -> Result<ApiKey> {
        self.tables().read_live(id)
    }

    async fn find_by_hash<'a>(&self, key_hash: &'a str) -> Result<Option<ApiKey>> {
        let tables = self.tables();
        let mut usable = tables.api_keys.rows().filter(|key| key.is_active && !key.is_deleted());
        Ok(usable.find(|key| key.key_hash.as_str() == key_hash).cloned())
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<ApiKey>> {
        Ok(self.tables().list(page, false, |key: &ApiKey| key.user_id == user))
    }
}
