//! The secrets, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use turbocat_domain::{
    id::SecretId,
    port::{RepositoryError, Result, SecretRepository},
    secret::{Sealed, StoredSecret},
};

use super::super::{tables::Tables, unit_of_work::MemoryUnitOfWork};

const ENTITY: &str = "secret";

#[async_trait]
impl SecretRepository for MemoryUnitOfWork {
    async fn put(&mut self, secret: &StoredSecret) -> Result<SecretId> {
        let (owner, name, secret) = (secret.user_id, secret.name.clone(), secret.clone());
        self.apply(move |tables| tables.put_secret(&secret))?;
        let mut secrets = self.view.secrets.values();
        let found = secrets.find(|other| other.user_id == owner && other.name == name);
        found.map(|secret| secret.id).ok_or(RepositoryError::NotFound { entity: ENTITY })
    }

    async fn reseal(&mut self, id: SecretId, seen: &Sealed, sealed: &Sealed) -> Result<()> {
        let (seen, sealed) = (seen.clone(), sealed.clone());
        self.apply(move |tables| {
            let secret = Arc::make_mut(&mut tables.secrets).get_mut(&id).filter(|secret| secret.sealed == seen);
            secret.ok_or(RepositoryError::Conflict { entity: ENTITY })?.sealed = sealed.clone();
            Ok(())
        })
    }

    async fn delete(&mut self, id: SecretId) -> Result<()> {
        self.apply(move |tables| {
            let deleted = Arc::make_mut(&mut tables.secrets).remove(&id);
            deleted.map(drop).ok_or(RepositoryError::NotFound { entity: ENTITY })
        })
    }
}

impl Tables {
    fn put_secret(&mut self, secret: &StoredSecret) -> Result<()> {
        if !self.users.contains(secret.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let secrets = Arc::make_mut(&mut self.secrets);
        let mut standing = secrets.values();
        let standing = standing.find(|other| other.user_id == secret.user_id && other.name == secret.name).cloned();
        let put = match standing {
            Some(before) => StoredSecret { id: before.id, created_at: before.created_at, ..secret.clone() },
            None => StoredSecret { created_at: secret.updated_at, ..secret.clone() },
        };
        secrets.insert(put.id, put);
        Ok(())
    }
}
