//! Reads the audit log.

use async_trait::async_trait;
use turbocat_domain::{
    audit_log::AuditLog,
    port::{AuditLogFilter, AuditLogQueries, Cursor, Page, PageRequest, Result},
};

use super::super::{MemoryStore, page};

#[async_trait]
impl AuditLogQueries for MemoryStore {
    async fn list(&self, filter: &AuditLogFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        let tables = self.tables();
        let listed = tables.audit_logs.values().filter(|entry| {
            filter.user.is_none_or(|user| entry.user_id == Some(user))
                && filter.action.as_ref().is_none_or(|action| entry.action == *action)
                && filter.resource_type.as_ref().is_none_or(|kind| entry.resource_type == *kind)
                && filter.resource_id.is_none_or(|id| entry.resource_id == Some(id))
        });
        let cursor =
            |entry: &&std::sync::Arc<AuditLog>| Cursor { created_at: entry.created_at, id: entry.id.as_uuid() };
        let found = page::newest_first(listed, cursor, page);
        Ok(Page { items: found.items.into_iter().map(|entry| AuditLog::clone(entry)).collect(), next: found.next })
    }
}
