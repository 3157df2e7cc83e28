//! From a credential to who asks.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ApiKeyId, SessionId, UserId},
    limits,
    port::RepositoryError,
    user::User,
    value::SecretHash,
};

use super::{
    Access, RateState,
    known::Held,
    rate::Rate,
    token::{key_hash, session_hash},
};
use crate::{Actor, Error, Origin, Result};

/// What a request brings to say who asks.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// An API key.
    Key(&'a str),
    /// The token of a session.
    Session(&'a str),
}

/// By what somebody was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// An API key.
    Key(ApiKeyId),
    /// A session.
    Session(SessionId),
}

/// Who asks, and by what they are known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who asks.
    pub actor: Actor,
    /// By what they are known.
    pub via: Via,
    /// How the rate of the key stands; sessions have none.
    pub rate: Option<RateState>,
    /// The hash of the credential, to look again whether it stands.
    hash: SecretHash,
}

impl Access {
    /// Says who asks, and takes a permit of their rate.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for a credential that does not stand, or whose owner may not act;
    /// [`Error::RateLimited`] if the rate of the key is spent, or the address has brought too many wrong credentials.
    pub async fn authenticate(&self, credential: Credential<'_>, origin: &Origin) -> Result<Caller> {
        let now = self.use_cases.ports.clock.now();
        let hash = match credential {
            Credential::Key(text) => key_hash(text),
            Credential::Session(text) => session_hash(text),
        };
        let Some(hash) = hash else { return Err(self.wrong(origin, now).await?) };
        let Some(held) = self.held(credential, &hash, origin, now).await?.filter(|held| held.is_usable(now)) else {
            return Err(self.wrong(origin, now).await?);
        };
        match held {
            Held::Session(session, user) => {
                Ok(Caller { actor: Actor::from(&user), via: Via::Session(session.id), rate: None, hash })
            }
            Held::Key(key, user) => {
                let rate = Rate::of_key(format!("key:{}", key.id), key.rate_limit_per_minute);
                let state = self.memory.rates.take(self.ports.limiter.as_ref(), &rate, now).await?;
                if let Some(retry_after_ms) = state.retry_after_ms {
                    return Err(Error::RateLimited { limit: state.limit, retry_after_ms });
                }
                self.memory.uses.count(key.id, now);
                let actor = Actor::from(&user).narrowed(&key.scopes);
                Ok(Caller { actor, via: Via::Key(key.id), rate: Some(state), hash })
            }
        }
    }

    /// Whether a caller could still ask, for what goes on for a while. Takes no permit.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn still_stands(&self, caller: &Caller) -> Result<bool> {
        let now = self.use_cases.ports.clock.now();
        let held = match caller.via {
            Via::Key(_) => self.find_key(&caller.hash, now).await?,
            Via::Session(_) => self.find_session(&caller.hash, now).await?,
        };
        Ok(held.is_some_and(|held| held.is_usable(now)))
    }

    /// To whom a credential belongs. Who has brought too many wrong ones is not looked up any more.
    async fn held(
        &self,
        credential: Credential<'_>,
        hash: &SecretHash,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Option<Held>> {
        if let Some(held) = self.memory.known.get(hash.as_str(), now) {
            return Ok(Some(held));
        }
        match credential {
            Credential::Key(_) => self.find_key(hash, now).await,
            Credential::Session(_) => self.find_session(hash, now).await,
        }
        .inspect_err(|error| tracing::debug!(?error, ip = ?origin.ip_address, "a credential cannot be looked up"))
    }

    async fn find_key(&self, hash: &SecretHash, now: DateTime<Utc>) -> Result<Option<Held>> {
        let queries = &self.use_cases.ports.queries;
        let Some(key) = queries.api_keys().find_by_hash(hash.as_str()).await? else { return Ok(None) };
        let Some(user) = self.owner(key.user_id).await? else { return Ok(None) };
        let held = Held::Key(key, user);
        self.memory.known.put(hash.as_str(), held.clone(), now);
        Ok(Some(held))
    }

    async fn find_session(&self, hash: &SecretHash, now: DateTime<Utc>) -> Result<Option<Held>> {
        let queries = &self.use_cases.ports.queries;
        let Some(session) = queries.sessions().find_by_hash(hash.as_str()).await? else { return Ok(None) };
        let Some(user) = self.owner(session.user_id).await? else { return Ok(None) };
        let held = Held::Session(session, user);
        self.memory.known.put(hash.as_str(), held.clone(), now);
        Ok(Some(held))
    }

    async fn owner(&self, id: UserId) -> Result<Option<User>> {
        match self.use_cases.ports.queries.users().get(id).await {
            Ok(user) => Ok(Some(user)),
            Err(RepositoryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What who brings a wrong credential is told: that it is wrong, or that it is too often.
    pub(super) async fn wrong(&self, origin: &Origin, now: DateTime<Utc>) -> Result<Error> {
        let limit = limits::WRONG_CREDENTIALS_PER_MINUTE;
        let Some(address) = origin.ip_address else { return Ok(Error::Unauthenticated) };
        let rate = Rate { subject: format!("address:{address}"), per_minute: limit, burst: limit };
        let state = self.memory.rates.take(self.ports.limiter.as_ref(), &rate, now).await?;
        Ok(match state.retry_after_ms {
            Some(retry_after_ms) => Error::RateLimited { limit, retry_after_ms },
            None => Error::Unauthenticated,
        })
    }
}
