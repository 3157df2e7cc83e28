//! Sessions: what somebody who logged in with a password calls with. The token itself is never kept.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::{
    id::{SessionId, UserId},
    limits,
    value::SecretHash,
};

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The hash of the token, by which it is found.
    pub token_hash: SecretHash,
    /// Where the login came from.
    pub ip_address: Option<IpAddr>,
    /// What program logged in.
    pub user_agent: Option<String>,
    /// When the login was.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was ended: by a logout, a new password, or an administrator.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What every new session needs; the rest has defaults: `Session { ip_address, ..Session::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The hash of the token.
    pub token_hash: SecretHash,
}

impl Session {
    /// A new session from nowhere in particular.
    #[must_use]
    pub fn new(new: NewSession, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            user_id: new.user_id,
            token_hash: new.token_hash,
            ip_address: None,
            user_agent: None,
            created_at: now,
            expires_at: now + limits::SESSION_LIFETIME,
            ended_at: None,
        }
    }

    /// Whether it can be used now: it was not ended, and has not expired.
    #[must_use]
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_session_lives_until_it_expires_or_is_ended() {
        let now = DateTime::UNIX_EPOCH;
        let new = NewSession {
            id: SessionId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            token_hash: SecretHash::new("hash"),
        };
        let session = Session::new(new, now);

        assert!(session.is_usable(now) && session.is_usable(session.expires_at - TimeDelta::microseconds(1)));
        assert!(!session.is_usable(session.expires_at));
        assert!(!Session { ended_at: Some(now), ..session }.is_usable(now));
    }
}
