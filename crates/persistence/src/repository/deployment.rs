//! The deployments.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait,
    IntoActiveModel, Order, QueryFilter,
};
use turbocat_domain::{
    deployment::Deployment,
    id::{AgentId, DeploymentId, UserId, WorkflowId},
    port::{DeploymentFilter, DeploymentQueries, DeploymentRepository, Page, PageRequest, RepositoryError, Result},
};

use super::{Change, Visibility, found, insert, mark, save};
use crate::{
    convert::{Read, fit, stored, utc},
    entity::deployment::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    store::Pg,
};

const ENTITY: &str = "deployment";

#[async_trait]
impl<C: ConnectionTrait + Send> DeploymentRepository for Pg<C> {
    #[tracing::instrument(name = "db.deployments.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, deployment: &Deployment) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, std::slice::from_ref(deployment)).await)
    }

    #[tracing::instrument(name = "db.deployments.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, deployment: &Deployment, now: DateTime<Utc>) -> Result<()> {
        self.settle(save(self.usable()?, change(deployment, now)).await)
    }

    #[tracing::instrument(name = "db.deployments.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await)
    }

    #[tracing::instrument(name = "db.deployments.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Visible, now).await)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> DeploymentQueries for Pg<C> {
    async fn get(&self, id: DeploymentId) -> Result<Deployment> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn list(&self, filter: &DeploymentFilter, page: PageRequest) -> Result<Page<Deployment>> {
        let mut query = Entity::find();
        if let Some(user) = filter.user {
            query = query.filter(Column::UserId.eq(user.as_uuid()));
        }
        if let Some(environment) = filter.environment {
            query = query.filter(Column::Environment.eq(environment.as_str()));
        }
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status.as_str()));
        }
        if !filter.with_deleted {
            query = query.filter(Column::DeletedAt.is_null());
        }
        listing().page(&self.conn, query, page).await
    }
}

fn listing() -> Listing<Entity> {
    Listing {
        entity: ENTITY,
        columns: (Column::CreatedAt, Column::Id),
        key: |row| (row.created_at, row.id),
        order: Order::Desc,
    }
}

fn change(deployment: &Deployment, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(deployment)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        total_requests: NotSet,
        total_errors: NotSet,
        avg_response_time_ms: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&Deployment> for Model {
    type Error = RepositoryError;

    fn try_from(deployment: &Deployment) -> Result<Self> {
        Ok(Self {
            id: deployment.id.as_uuid(),
            name: deployment.name.to_string(),
            description: deployment.description.clone(),
            user_id: deployment.user_id.as_uuid(),
            workflow_id: deployment.workflow_id.map(WorkflowId::as_uuid),
            agent_id: deployment.agent_id.map(AgentId::as_uuid),
            environment: deployment.environment.to_string(),
            status: deployment.status.to_string(),
            config: deployment.config.clone(),
            environment_vars: deployment.environment_vars.clone(),
            endpoint_url: deployment.endpoint_url.clone(),
            api_key_hash: deployment.api_key_hash.as_ref().map(|hash| hash.as_str().to_owned()),
            allocated_memory_mb: fit(deployment.allocated_memory_mb)?,
            allocated_cpu_shares: fit(deployment.allocated_cpu_shares)?,
            deployed_at: stored(deployment.deployed_at),
            last_health_check_at: stored(deployment.last_health_check_at),
            health_status: deployment.health_status.to_string(),
            total_requests: fit(deployment.total_requests)?,
            total_errors: fit(deployment.total_errors)?,
            avg_response_time_ms: fit(deployment.avg_response_time_ms)?,
            created_at: deployment.created_at.naive_utc(),
            updated_at: deployment.updated_at.naive_utc(),
            deleted_at: stored(deployment.deleted_at),
        })
    }
}

impl TryFrom<Model> for Deployment {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: DeploymentId::from_uuid(row.id),
            name: read.text(row.name)?,
            description: row.description,
            user_id: UserId::from_uuid(row.user_id),
            workflow_id: row.workflow_id.map(WorkflowId::from_uuid),
            agent_id: row.agent_id.map(AgentId::from_uuid),
            environment: read.text(row.environment)?,
            status: read.text(row.status)?,
            config: row.config,
            environment_vars: row.environment_vars,
            endpoint_url: row.endpoint_url,
            api_key_hash: row.api_key_hash.map(Into::into),
            allocated_memory_mb: read.number(row.allocated_memory_mb)?,
            allocated_cpu_shares: read.number(row.allocated_cpu_shares)?,
            deployed_at: utc(row.deployed_at),
            last_health_check_at: utc(row.last_health_check_at),
            health_status: read.text(row.health_status)?,
            total_requests: read.number(row.total_requests)?,
            total_errors: read.number(row.total_errors)?,
            avg_response_time_ms: read.number(row.avg_response_time_ms)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
