//! Reads sessions.

use async_trait::async_trait;
use turbocat_domain::{
    id::{SessionId, UserId},
    port::{Cursor, Page, PageRequest, RepositoryError, Result, SessionQueries},
    session::Session,
};

use super::super::{MemoryStore, page};

#[async_trait]
impl SessionQueries for MemoryStore {
    async fn get(&self, id: SessionId) -> Result<Session> {
        let found = self.tables().sessions.get(&id).cloned();
        found.ok_or(RepositoryError::NotFound { entity: "session" })
    }

    async fn find_by_hash<'a>(&self, token_hash: &'a str) -> Result<Option<Session>> {
        let tables = self.tables();
        let mut standing = tables.sessions.values().filter(|session| session.ended_at.is_none());
        Ok(standing.find(|session| session.token_hash.as_str() == token_hash).cloned())
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<Session>> {
        let tables = self.tables();
        let standing = tables.sessions.values().filter(|session| session.user_id == user && session.ended_at.is_none());
        let cursor = |session: &&Session| Cursor { created_at: session.created_at, id: session.id.as_uuid() };
        let found = page::newest_first(standing, cursor, page);
        Ok(Page { items: found.items.into_iter().cloned().collect(), next: found.next })
    }
}
