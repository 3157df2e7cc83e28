//! Who asks, how often, and whether it is the first time: sessions, rates, the use of keys, repeated requests.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Page, PageRequest, Result};
use crate::{
    id::{ApiKeyId, SessionId, UserId},
    idempotency::IdempotencyRecord,
    session::Session,
};

/// The sessions.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SessionRepository: Send {
    /// Inserts a session; two with one hash are `AlreadyExists`.
    async fn insert(&mut self, session: &Session) -> Result<()>;
    /// Ends a session; one that has ended, or is not there, is `NotFound`.
    async fn end(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<()>;
    /// Ends all sessions of a user that have not ended. Returns how many.
    async fn end_all(&mut self, user: UserId, now: DateTime<Utc>) -> Result<u64>;
}

/// Reads sessions.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// The session, ended or not; `NotFound` if there is none.
    async fn get(&self, id: SessionId) -> Result<Session>;
    /// The session with this hash that was not ended; whether it has expired is for the caller.
    async fn find_by_hash<'a>(&self, token_hash: &'a str) -> Result<Option<Session>>;
    /// A page of a user's sessions that were not ended, newest first.
    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<Session>>;
}

/// The requests that were made with a key of idempotency.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait IdempotencyRepository: Send {
    /// Claims a key. `None` when it is this request's now; else what the first one left. MUST wait for another
    /// transaction that claims the same key, and see what it left. One that is older than `lifetime` is forgotten.
    async fn claim(&mut self, record: &IdempotencyRecord, lifetime: TimeDelta) -> Result<Option<IdempotencyRecord>>;
    /// Keeps the answer of a key that was claimed.
    async fn answer<'a>(&mut self, user: UserId, key: &'a str, answer: &'a Value) -> Result<()>;
}

/// Asks for permits of a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateRequest {
    /// Whose rate it is: `key:…`, `login:…`, `address:…`; at most 200 bytes.
    pub subject: String,
    /// How many permits come up in a minute, at least 1.
    pub per_minute: u32,
    /// How many lie ready at most, at least 1.
    pub burst: u32,
    /// How many are wanted, at least 1.
    pub wanted: u32,
}

/// What a rate gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateGrant {
    /// How many permits there were of those that were wanted.
    pub granted: u32,
    /// How many lie ready behind them.
    pub remaining: u32,
    /// In how many milliseconds the next one comes up; 0 if some lie ready.
    pub retry_after_ms: u64,
}

/// Counts what happens per minute, over all processes.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes permits, as many as there are of those that are wanted. MUST NOT give out more than the burst and what
    /// has come up since, however many ask at once; by the store's time.
    async fn take(&self, request: &RateRequest) -> Result<RateGrant>;
}

/// The use of a key since it was last told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub id: ApiKeyId,
    /// How often it was used.
    pub count: u32,
    /// When it was last used.
    pub last_used_at: DateTime<Utc>,
}

/// Counts how often keys are used, and forgets what has had its time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AccessLedger: Send + Sync {
    /// Adds to the counts of keys, and moves the times of their last use on, never back. It does not count as a
    /// change of the keys.
    async fn record_uses(&self, uses: &[KeyUse]) -> Result<()>;
    /// Deletes sessions, keys of idempotency and rates that can mean nothing any more. Returns how many.
    async fn prune(&self) -> Result<u64>;
}
