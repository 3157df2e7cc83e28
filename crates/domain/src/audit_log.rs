//! The audit log: who changed what. Append only.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    id::{AuditLogId, UserId},
    limits,
};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLog {
    /// Its id.
    pub id: AuditLogId,
    /// Who did it; `None` for the platform itself, and for who is gone.
    pub user_id: Option<UserId>,
    /// What was done: `workflow.published`.
    pub action: String,
    /// What kind of thing it was done to: `workflow`.
    pub resource_type: String,
    /// Which one.
    pub resource_id: Option<Uuid>,
    /// What changed: field to old and new value.
    pub changes: Value,
    /// What else is known.
    pub metadata: Value,
    /// Where the request came from.
    pub ip_address: Option<IpAddr>,
    /// What program sent it.
    pub user_agent: Option<String>,
    /// When it was done.
    pub created_at: DateTime<Utc>,
}

/// What every entry needs; the rest has defaults: `AuditLog { changes, ..AuditLog::new(new, now) }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAuditLog {
    /// Its id.
    pub id: AuditLogId,
    /// Who did it.
    pub user_id: Option<UserId>,
    /// What was done; at most 100 characters.
    pub action: &'static str,
    /// What kind of thing it was done to; at most 50 characters.
    pub resource_type: &'static str,
    /// Which one.
    pub resource_id: Option<Uuid>,
}

impl AuditLog {
    /// A new entry without details.
    #[must_use]
    pub fn new(new: NewAuditLog, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            user_id: new.user_id,
            action: new.action.to_owned(),
            resource_type: new.resource_type.to_owned(),
            resource_id: new.resource_id,
            changes: json!({}),
            metadata: json!({}),
            ip_address: None,
            user_agent: None,
            created_at: now,
        }
    }

    /// Whether it has been kept long enough.
    #[must_use]
    pub fn is_purgeable(&self, now: DateTime<Utc>) -> bool {
        now - self.created_at >= limits::AUDIT_LOG_RETENTION
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_entry_is_kept_for_a_year() {
        let new = NewAuditLog {
            id: AuditLogId::from_uuid(Uuid::nil()),
            user_id: None,
            action: "workflow.published",
            resource_type: "workflow",
            resource_id: None,
        };
        let entry = AuditLog::new(new, DateTime::UNIX_EPOCH);
        let after = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);

        assert!(!entry.is_purgeable(after(365) - TimeDelta::seconds(1)));
        assert!(entry.is_purgeable(after(365)));
    }
}
