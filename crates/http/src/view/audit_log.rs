//! The audit log.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::audit_log::AuditLog;
use utoipa::ToSchema;

/// One entry of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AuditLogView {
    /// Its id.
    id: String,
    /// Who did it; null for the platform itself, and for who is gone.
    user_id: Option<String>,
    /// What was done: `workflow.published`.
    action: String,
    /// What kind of thing it was done to: `workflow`.
    resource_type: String,
    /// Which one.
    resource_id: Option<String>,
    /// What changed: field to value before and after.
    changes: Value,
    /// What else is known: the id under which the request is in the server's log.
    metadata: Value,
    /// Where the request came from.
    #[schema(value_type = Option<String>)]
    ip_address: Option<IpAddr>,
    /// What program sent it.
    user_agent: Option<String>,
    /// When it was done.
    created_at: DateTime<Utc>,
}

impl From<AuditLog> for AuditLogView {
    fn from(entry: AuditLog) -> Self {
        Self {
            id: entry.id.to_string(),
            user_id: entry.user_id.map(|id| id.to_string()),
            action: entry.action,
            resource_type: entry.resource_type,
            resource_id: entry.resource_id.map(|id| id.to_string()),
            changes: entry.changes,
            metadata: entry.metadata,
            ip_address: entry.ip_address,
            user_agent: entry.user_agent,
            created_at: entry.created_at,
        }
    }
}
