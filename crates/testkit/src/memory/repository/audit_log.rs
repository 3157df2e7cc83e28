//! The audit log, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use turbocat_domain::{
    audit_log::AuditLog,
    port::{AuditLogRepository, RepositoryError, Result},
};

use super::super::unit_of_work::MemoryUnitOfWork;

const ENTITY: &str = "audit_log";

#[async_trait]
impl AuditLogRepository for MemoryUnitOfWork {
    async fn append(&mut self, entries: &[AuditLog]) -> Result<()> {
        let entries: Vec<Arc<AuditLog>> = entries.iter().cloned().map(Arc::new).collect();
        self.apply(move |tables| {
            let log = Arc::make_mut(&mut tables.audit_logs);
            for entry in &entries {
                if log.insert(entry.id, Arc::clone(entry)).is_some() {
                    return Err(RepositoryError::AlreadyExists { entity: ENTITY });
                }
                if entry.user_id.is_some_and(|user| !tables.users.contains(user)) {
                    return Err(RepositoryError::BrokenReference { entity: ENTITY });
                }
            }
            Ok(())
        })
    }
}
