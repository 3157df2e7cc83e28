//! Reads secrets, sealed.

use async_trait::async_trait;
use turbocat_domain::{
    id::{SecretId, UserId},
    port::{RepositoryError, Result, SecretQueries},
    secret::StoredSecret,
};

use super::super::MemoryStore;

#[async_trait]
impl SecretQueries for MemoryStore {
    async fn get(&self, id: SecretId) -> Result<StoredSecret> {
        let found = self.tables().secrets.get(&id).cloned();
        found.ok_or(RepositoryError::NotFound { entity: "secret" })
    }

    async fn find<'a>(&self, owner: UserId, names: &'a [String]) -> Result<Vec<StoredSecret>> {
        Ok(self
            .secrets_where(|secret| secret.user_id == owner && names.iter().any(|name| name == secret.name.as_str())))
    }

    async fn list<'a>(&self, owner: UserId, after: &'a str, limit: u16) -> Result<Vec<StoredSecret>> {
        let mut found = self.secrets_where(|secret| secret.user_id == owner && secret.name.as_str() > after);
        found.truncate(usize::from(limit));
        Ok(found)
    }

    async fn list_under_others<'a>(&self, key_id: &'a str, limit: u16) -> Result<Vec<StoredSecret>> {
        let mut found = self.secrets_where(|secret| secret.sealed.key_id != key_id);
        found.truncate(usize::from(limit));
        Ok(found)
    }
}

impl MemoryStore {
    /// By name.
    fn secrets_where(&self, are_meant: impl Fn(&StoredSecret) -> bool) -> Vec<StoredSecret> {
        let tables = self.tables();
        let mut found: Vec<_> = tables.secrets.values().filter(|secret| are_meant(secret)).cloned().collect();
        found.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        found
    }
}
