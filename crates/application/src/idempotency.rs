//! Doing what a request asks once, however often it is sent.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    idempotency::IdempotencyRecord,
    limits,
    port::UnitOfWork,
    problem::{Problem, Problems},
};
use uuid::Uuid;

use crate::{Actor, Error, Result, access::sha256_hex};

/// The key of a request that may be sent again, and what the request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    fingerprint: String,
}

impl Idempotency {
    /// The key of a request for this operation with this body.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text cannot be a key.
    pub fn new(key: &str, operation: &str, body: &[u8]) -> Result<Self> {
        if !IdempotencyRecord::is_key(key) {
            let message = format!("it needs 1 to {} visible characters of ASCII", IdempotencyRecord::KEY_CHARS_MAX);
            return Err(Error::Invalid(Problems::from(Problem::new("invalid_header", "Idempotency-Key", message))));
        }
        let mut request = operation.as_bytes().to_vec();
        request.push(0);
        request.extend_from_slice(body);
        Ok(Self { key: key.to_owned(), fingerprint: sha256_hex(&request) })
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Claims the key for something with this id. `None` when the request is the first; else what the first left.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyConflict`] if the first was another request.
    pub(crate) async fn claim(
        &self,
        uow: &mut dyn UnitOfWork,
        actor: Actor,
        (resource, now): (Uuid, DateTime<Utc>),
    ) -> Result<Option<IdempotencyRecord>> {
        let record = IdempotencyRecord {
            user_id: actor.id,
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            resource_id: resource,
            answer: None,
            created_at: now,
        };
        match uow.idempotency().claim(&record, limits::IDEMPOTENCY_LIFETIME).await? {
            Some(standing) if standing.fingerprint != self.fingerprint => Err(Error::IdempotencyConflict),
            standing => Ok(standing),
        }
    }
}
