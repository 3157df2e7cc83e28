//! The audit log: appended to in the transaction of the change that an entry tells of.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, prelude::IpNetwork};
use turbocat_domain::{
    audit_log::AuditLog,
    id::{AuditLogId, UserId},
    port::{AuditLogFilter, AuditLogQueries, AuditLogRepository, Page, PageRequest, RepositoryError, Result},
};

use super::insert;
use crate::{
    entity::audit_log::{Column, Entity, Model},
    page::Listing,
    store::Pg,
};

const ENTITY: &str = "audit_log";

#[async_trait]
impl<C: ConnectionTrait + Send> AuditLogRepository for Pg<C> {
    #[tracing::instrument(name = "db.audit_logs.append", skip_all, err(level = "debug"))]
    async fn append(&mut self, entries: &[AuditLog]) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, entries).await)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> AuditLogQueries for Pg<C> {
    async fn list(&self, filter: &AuditLogFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        let mut query = Entity::find();
        if let Some(user) = filter.user {
            query = query.filter(Column::UserId.eq(user.as_uuid()));
        }
        if let Some(action) = &filter.action {
            query = query.filter(Column::Action.eq(action.as_str()));
        }
        if let Some(resource_type) = &filter.resource_type {
            query = query.filter(Column::ResourceType.eq(resource_type.as_str()));
        }
        if let Some(resource_id) = filter.resource_id {
            query = query.filter(Column::ResourceId.eq(resource_id));
        }
        let listing = Listing {
            entity: ENTITY,
            columns: (Column::CreatedAt, Column::Id),
            key: |row: &Model| (row.created_at, row.id),
            order: Order::Desc,
        };
        listing.page(&self.conn, query, page).await
    }
}

impl TryFrom<&AuditLog> for Model {
    type Error = RepositoryError;

    fn try_from(entry: &AuditLog) -> Result<Self> {
        Ok(Self {
            id: entry.id.as_uuid(),
            user_id: entry.user_id.map(UserId::as_uuid),
            action: entry.action.clone(),
            resource_type: entry.resource_type.clone(),
            resource_id: entry.resource_id,
            changes: entry.changes.clone(),
            metadata: entry.metadata.clone(),
            ip_address: entry.ip_address.map(IpNetwork::from),
            user_agent: entry.user_agent.clone(),
            created_at: entry.created_at.naive_utc(),
        })
    }
}

impl TryFrom<Model> for AuditLog {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: AuditLogId::from_uuid(row.id),
            user_id: row.user_id.map(UserId::from_uuid),
            action: row.action,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            changes: row.changes,
            metadata: row.metadata,
            ip_address: row.ip_address.map(|network| network.ip()),
            user_agent: row.user_agent,
            created_at: row.created_at.and_utc(),
        })
    }
}
