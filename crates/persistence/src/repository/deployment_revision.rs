//! The revisions of deployments.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter};
use turbocat_domain::{
    deployment::DeploymentRevision,
    id::{AgentId, DeploymentId, DeploymentRevisionId, UserId, WorkflowId},
    port::{Page, PageRequest, RepositoryError, Result},
};

use super::{found, insert};
use crate::{
    convert::{Read, fit},
    entity::deployment_revision::{Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
};

const ENTITY: &str = "deployment_revision";

/// Notes a revision.
pub(super) async fn insert_one(conn: &impl ConnectionTrait, revision: &DeploymentRevision) -> Result<()> {
    insert::<Entity, _>(conn, ENTITY, std::slice::from_ref(revision)).await
}

/// The revision of this number.
pub(super) async fn get(conn: &impl ConnectionTrait, id: DeploymentId, number: u32) -> Result<DeploymentRevision> {
    let number: i32 = fit(number)?;
    let query = Entity::find().filter(Column::DeploymentId.eq(id.as_uuid())).filter(Column::Number.eq(number));
    found(query.one(conn).await.about(ENTITY)?, ENTITY)?.try_into()
}

/// A page of revisions, newest first.
pub(super) async fn list(
    conn: &impl ConnectionTrait,
    id: DeploymentId,
    page: PageRequest,
) -> Result<Page<DeploymentRevision>> {
    let listing = Listing {
        entity: ENTITY,
        columns: (Column::CreatedAt, Column::Id),
        key: |row: &Model| (row.created_at, row.id),
        order: Order::Desc,
    };
    listing.page(conn, Entity::find().filter(Column::DeploymentId.eq(id.as_uuid())), page).await
}

impl TryFrom<&DeploymentRevision> for Model {
    type Error = RepositoryError;

    fn try_from(revision: &DeploymentRevision) -> Result<Self> {
        Ok(Self {
            id: revision.id.as_uuid(),
            deployment_id: revision.deployment_id.as_uuid(),
            number: fit(revision.number)?,
            workflow_id: revision.workflow_id.as_uuid(),
            agent_id: revision.agent_id.map(AgentId::as_uuid),
            config: revision.config.clone(),
            environment_vars: revision.environment_vars.clone(),
            user_id: revision.user_id.as_uuid(),
            created_at: revision.created_at.naive_utc(),
        })
    }
}

impl TryFrom<Model> for DeploymentRevision {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: DeploymentRevisionId::from_uuid(row.id),
            deployment_id: DeploymentId::from_uuid(row.deployment_id),
            number: Read(ENTITY).number(row.number)?,
            workflow_id: WorkflowId::from_uuid(row.workflow_id),
            agent_id: row.agent_id.map(AgentId::from_uuid),
            config: row.config,
            environment_vars: row.environment_vars,
            user_id: UserId::from_uuid(row.user_id),
            created_at: row.created_at.and_utc(),
        })
    }
}
