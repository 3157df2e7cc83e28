//! What a process remembers of credentials: to whom they belong, for a moment, and how often they were used.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{api_key::ApiKey, id::ApiKeyId, port::KeyUse, session::Session, user::User};

/// How long it is remembered to whom a credential belongs. A revocation is effective when this is over.
pub(super) const REMEMBERED: TimeDelta = TimeDelta::milliseconds(500);
/// How many credentials are remembered; all are forgotten past it, which costs a look each.
const CREDENTIALS_MAX: usize = 20_000;

/// A credential, with its owner.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// A key.
    Key(ApiKey, User),
    /// A session.
    Session(Session, User),
}

impl Held {
    /// Whether it may be used now, and its owner may act.
    pub(super) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Key(key, user) => key.is_usable(now) && user.can_act(),
            Self::Session(session, user) => session.is_usable(now) && user.can_act(),
        }
    }
}

/// To whom credentials belong, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Known {
    held: Mutex<HashMap<String, (Held, DateTime<Utc>)>>,
}

impl Known {
    /// What is remembered, if that is not too old.
    pub(super) fn get(&self, hash: &str, now: DateTime<Utc>) -> Option<Held> {
        let held = self.held();
        let (held, read_at) = held.get(hash)?;
        // A clock that was set back makes nothing younger.
        let age = now - *read_at;
        (TimeDelta::zero() <= age && age < REMEMBERED).then(|| held.clone())
    }

    /// Remembers what was read.
    pub(super) fn put(&self, hash: &str, read: Held, now: DateTime<Utc>) {
        let mut held = self.held();
        if held.len() >= CREDENTIALS_MAX {
            held.clear();
        }
        held.insert(hash.to_owned(), (read, now));
    }

    /// Forgets everything: something was revoked here, and is to be effective here at once.
    pub(super) fn forget(&self) {
        self.held().clear();
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, (Held, DateTime<Utc>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often keys were used since it was last told.
#[derive(Debug, Default)]
pub(super) struct Uses {
    counts: Mutex<HashMap<ApiKeyId, KeyUse>>,
}

impl Uses {
    /// Counts one use.
    pub(super) fn count(&self, id: ApiKeyId, now: DateTime<Utc>) {
        self.add(KeyUse { id, count: 1, last_used_at: now });
    }

    /// Takes all counts, in the order of the keys.
    pub(super) fn take(&self) -> Vec<KeyUse> {
        let mut uses: Vec<KeyUse> = std::mem::take(&mut *self.counts()).into_values().collect();
        uses.sort_by_key(|one| one.id);
        uses
    }

    /// Puts counts back that could not be told.
    pub(super) fn put_back(&self, uses: &[KeyUse]) {
        for one in uses {
            self.add(*one);
        }
    }

    fn add(&self, used: KeyUse) {
        let mut counts = self.counts();
        let counted = counts.entry(used.id).or_insert(KeyUse { count: 0, ..used });
        counted.count = counted.count.saturating_add(used.count);
        counted.last_used_at = counted.last_used_at.max(used.last_used_at);
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<ApiKeyId, KeyUse>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
