//! The deployments.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, Order, QueryFilter, sea_query::Expr,
};
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, HealthStatus},
    id::{AgentId, DeploymentId, UserId, WorkflowId},
    port::{DeploymentFilter, DeploymentQueries, DeploymentRepository, Page, PageRequest, RepositoryError, Result},
};
use uuid::Uuid;

use super::{Change, Visibility, deployment_revision, found, has_words, insert, mark, save};
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

    #[tracing::instrument(name = "db.deployment_revisions.insert", skip_all, err(level = "debug"))]
    async fn insert_revision(&mut self, revision: &DeploymentRevision) -> Result<()> {
        self.settle(deployment_revision::insert_one(self.usable()?, revision).await)
    }

    #[tracing::instrument(name = "db.deployments.record_health", skip_all, err(level = "debug"))]
    async fn record_health(&mut self, id: DeploymentId, found: (HealthStatus, DateTime<Utc>)) -> Result<()> {
        self.settle(record_health(self.usable()?, id, found).await)
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

async fn record_health(
    conn: &impl ConnectionTrait,
    id: DeploymentId,
    (status, at): (HealthStatus, DateTime<Utc>),
) -> Result<()> {
    let recorded = Entity::update_many()
        .col_expr(Column::HealthStatus, Expr::value(status.as_str()))
        .col_expr(Column::LastHealthCheckAt, Expr::value(at.naive_utc()))
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::DeletedAt.is_null())
        .exec(conn)
        .await
        .about(ENTITY)?;
    if recorded.rows_affected == 1 { Ok(()) } else { Err(RepositoryError::NotFound { entity: ENTITY }) }
}

#[async_trait]
impl<C: ConnectionTrait + Send> DeploymentQueries for Pg<C> {
    async fn get(&self, id: DeploymentId) -> Result<Deployment> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn get_deleted(&self, id: DeploymentId) -> Result<Deployment> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_not_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn revision(&self, id: DeploymentId, number: u32) -> Result<DeploymentRevision> {
        deployment_revision::get(&self.conn, id, number).await
    }

    async fn revisions(&self, id: DeploymentId, page: PageRequest) -> Result<Page<DeploymentRevision>> {
        deployment_revision::list(&self.conn, id, page).await
    }

    async fn list(&self, filter: &DeploymentFilter, page: PageRequest) -> Result<Page<Deployment>> {
        listing().sorted_page(&self.conn, Entity::find().filter(wanted(filter)), (page, filter.sort)).await
    }
}

fn wanted(filter: &DeploymentFilter) -> Condition {
    let is = |column: Column, value: Option<String>| value.map(|value| column.eq(value));
    let refers = |column: Column, id: Option<Uuid>| id.map(|id| column.eq(id));
    Condition::all()
        .add_option(refers(Column::UserId, filter.user.map(UserId::as_uuid)))
        .add_option(refers(Column::WorkflowId, filter.workflow.map(WorkflowId::as_uuid)))
        .add_option(refers(Column::AgentId, filter.agent.map(AgentId::as_uuid)))
        .add_option(is(Column::Environment, filter.environment.map(|environment| environment.to_string())))
        .add_option(is(Column::Status, filter.status.map(|status| status.to_string())))
        .add_option(is(Column::HealthStatus, filter.health.map(|health| health.to_string())))
        .add_option(is(Column::Name, filter.name.clone()))
        .add_option(filter.search.as_ref().map(|search| has_words(search, "name, description")))
        .add_option((!filter.with_deleted).then(|| Column::DeletedAt.is_null()))
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
        total_response_time_ms: NotSet,
        health_status: NotSet,
        last_health_check_at: NotSet,
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
            total_response_time_ms: fit(deployment.total_response_time_ms)?,
            revision: fit(deployment.revision)?,
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
            total_response_time_ms: read.number(row.total_response_time_ms)?,
            revision: read.number(row.revision)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
