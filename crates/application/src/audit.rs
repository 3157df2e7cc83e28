//! Entries of the audit log: each in the transaction of the change that it tells of.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use turbocat_domain::{
    audit_log::{AuditLog, NewAuditLog},
    id::{AuditLogId, UserId},
    permission::Permission,
    port::{AuditLogFilter, Page, PageRequest, UnitOfWork},
};
use uuid::Uuid;

use crate::{Actor, Result, UseCases};

/// What is to be noted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Audited {
    /// Who did it, if that is known.
    pub(crate) user: Option<UserId>,
    /// What was done: `workflow.published`.
    pub(crate) action: &'static str,
    /// What kind of thing it was done to: `workflow`.
    pub(crate) resource_type: &'static str,
    /// Which one.
    pub(crate) resource: Option<Uuid>,
    /// What changed.
    pub(crate) changes: Changes,
}

/// The fields that changed, each with its old and its new value. Secrets are never among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Changes(Map<String, Value>);

impl Changes {
    /// Notes a field, if its value is another.
    #[must_use]
    pub(crate) fn field(mut self, name: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        let (before, after) = (before.into(), after.into());
        if before != after {
            self.0.insert(name.to_owned(), json!({ "before": before, "after": after }));
        }
        self
    }
}

impl UseCases {
    /// A page of the audit log: all of it for an administrator, what they did themselves for the others.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::Storage`](crate::Error::Storage).
    pub async fn audit_logs(&self, actor: Actor, filter: AuditLogFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        actor.ensure(Permission::AuditRead)?;
        let user = if actor.sees_all() { filter.user } else { Some(actor.id) };
        Ok(self.ports.queries.audit_logs().list(&AuditLogFilter { user, ..filter }, page).await?)
    }

    /// Notes what was done (by whom, what, to what kind of thing, to which one) in the same transaction.
    pub(crate) async fn audit(
        &self,
        uow: &mut dyn UnitOfWork,
        (user, action, resource_type, resource): (UserId, &'static str, &'static str, Uuid),
        now: DateTime<Utc>,
    ) -> Result<()> {
        let (user, resource) = (Some(user), Some(resource));
        self.note(uow, Audited { user, action, resource_type, resource, changes: Changes::default() }, now).await
    }

    /// Notes what was done, with what changed, in the same transaction.
    pub(crate) async fn note(&self, uow: &mut dyn UnitOfWork, entry: Audited, now: DateTime<Utc>) -> Result<()> {
        let new = NewAuditLog {
            id: AuditLogId::from_uuid(self.ports.ids.next()),
            user_id: entry.user,
            action: entry.action,
            resource_type: entry.resource_type,
            resource_id: entry.resource,
        };
        let origin = self.origin.as_deref();
        let request_id = origin.and_then(|origin| origin.request_id.as_deref());
        let entry = AuditLog {
            changes: Value::Object(entry.changes.0),
            metadata: request_id.map_or_else(|| json!({}), |id| json!({ "request_id": id })),
            ip_address: origin.and_then(|origin| origin.ip_address),
            user_agent: origin.and_then(|origin| origin.user_agent.clone()),
            ..AuditLog::new(new, now)
        };
        Ok(uow.audit_logs().append(&[entry]).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_noted() {
        let changes = Changes::default().field("name", "a", "b").field("is_active", true, true);

        assert_eq!(Value::Object(changes.0), json!({ "name": { "before": "a", "after": "b" } }));
    }
}
