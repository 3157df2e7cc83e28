//! The sessions, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{SessionId, UserId},
    port::{RepositoryError, Result, SessionRepository},
    session::Session,
};

use super::super::{tables::Tables, unit_of_work::MemoryUnitOfWork};

const ENTITY: &str = "session";

#[async_trait]
impl SessionRepository for MemoryUnitOfWork {
    async fn insert(&mut self, session: &Session) -> Result<()> {
        let session = session.clone();
        self.apply(move |tables| tables.insert_session(&session))
    }

    async fn end(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| match tables.end_sessions(now, |session| session.id == id) {
            0 => Err(RepositoryError::NotFound { entity: ENTITY }),
            _ => Ok(()),
        })
    }

    async fn end_all(&mut self, user: UserId, now: DateTime<Utc>) -> Result<u64> {
        let count = self.view.sessions.values().filter(|session| is_standing_of(session, user)).count();
        self.apply(move |tables| {
            tables.end_sessions(now, |session| session.user_id == user);
            Ok(())
        })?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

fn is_standing_of(session: &Session, user: UserId) -> bool {
    session.user_id == user && session.ended_at.is_none()
}

impl Tables {
    fn insert_session(&mut self, session: &Session) -> Result<()> {
        if !self.users.contains(session.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let sessions = Arc::make_mut(&mut self.sessions);
        if sessions.values().any(|other| other.id == session.id || other.token_hash == session.token_hash) {
            return Err(RepositoryError::AlreadyExists { entity: ENTITY });
        }
        sessions.insert(session.id, session.clone());
        Ok(())
    }

    fn end_sessions(&mut self, now: DateTime<Utc>, are_meant: impl Fn(&Session) -> bool) -> usize {
        let sessions = Arc::make_mut(&mut self.sessions).values_mut();
        let standing = sessions.filter(|session| session.ended_at.is_none() && are_meant(session));
        standing.map(|session| session.ended_at = Some(now)).count()
    }
}
