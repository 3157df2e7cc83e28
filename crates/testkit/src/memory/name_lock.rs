//! Locks on names, held until the end of a unit of work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;
use turbocat_domain::id::UserId;

/// What is locked: an entity's kind, its owner and its name.
pub(super) type NameKey = (&'static str, UserId, String);

/// One lock a name. They are few, and are never thrown away.
#[derive(Default)]
pub(super) struct NameLocks {
    locks: Mutex<HashMap<NameKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl NameLocks {
    /// Waits until the name is free, and takes it.
    pub(super) async fn lock(&self, key: NameKey) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        lock.lock_owned().await
    }
}
