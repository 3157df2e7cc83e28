//! The statements that look at the chain of the audit log.

use sea_orm::Statement;

use super::statement;

pub(crate) fn list_audit_links(after: i64, limit: i64) -> Statement {
    statement!("list_audit_links", after, limit)
}

pub(crate) fn list_unsealed_audit_logs(limit: i64) -> Statement {
    statement!("list_unsealed_audit_logs", limit)
}

pub(crate) fn get_audit_head() -> Statement {
    statement!("get_audit_head")
}
