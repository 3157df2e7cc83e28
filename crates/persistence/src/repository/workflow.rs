//! The workflows, each with its steps.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::NotSet,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, Order, QueryFilter, QueryOrder, Select,
    sea_query::{Expr, extension::postgres::PgExpr},
};
use serde_json::json;
use turbocat_domain::{
    id::{UserId, WorkflowId},
    port::{Page, PageRequest, RepositoryError, Result, WorkflowFilter, WorkflowQueries, WorkflowRepository},
    workflow::{Workflow, WorkflowStatus},
    workflow_step::WorkflowStep,
};

use super::{Change, Visibility, found, has_tag, insert, is_found, mark, save, schedule, workflow_step};
use crate::{
    convert::{Read, fit, stored, utc, words},
    entity::workflow::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    sql,
    store::Pg,
};

const ENTITY: &str = "workflow";

#[async_trait]
impl<C: ConnectionTrait + Send> WorkflowRepository for Pg<C> {
    #[tracing::instrument(name = "db.workflows.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, workflow: &Workflow, steps: &[WorkflowStep]) -> Result<()> {
        self.settle(insert_with_steps(self.usable()?, workflow, steps).await)
    }

    #[tracing::instrument(name = "db.workflows.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, workflow: &Workflow, now: DateTime<Utc>) -> Result<()> {
        self.settle(save_with_schedule(self.usable()?, workflow, now).await)
    }

    #[tracing::instrument(name = "db.workflows.replace_steps", skip_all, err(level = "debug"))]
    async fn replace_steps(&mut self, id: WorkflowId, steps: &[WorkflowStep]) -> Result<()> {
        self.settle(workflow_step::replace(self.usable()?, id, steps).await)
    }

    #[tracing::instrument(name = "db.workflows.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
        self.settle(delete_with_schedule(self.usable()?, id, now).await)
    }

    #[tracing::instrument(name = "db.workflows.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
        self.settle(restore_with_schedule(self.usable()?, id, now).await)
    }

    #[tracing::instrument(name = "db.workflows.lock_latest", skip_all, err(level = "debug"))]
    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Workflow>> {
        self.settle(lock_latest(self.usable()?, owner, name).await)
    }
}

async fn insert_with_steps(conn: &impl ConnectionTrait, workflow: &Workflow, steps: &[WorkflowStep]) -> Result<()> {
    insert::<Entity, _>(conn, ENTITY, std::slice::from_ref(workflow)).await?;
    workflow_step::insert_all(conn, workflow.id, steps).await?;
    schedule::begin(conn, workflow).await
}

async fn save_with_schedule(conn: &impl ConnectionTrait, workflow: &Workflow, now: DateTime<Utc>) -> Result<()> {
    save(conn, change(workflow, now)).await?;
    schedule::end(conn, workflow.id).await?;
    schedule::begin(conn, workflow).await
}

async fn delete_with_schedule(conn: &impl ConnectionTrait, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
    mark::<Entity>(conn, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await?;
    schedule::end(conn, id).await
}

async fn restore_with_schedule(conn: &impl ConnectionTrait, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
    mark::<Entity>(conn, (ENTITY, id.as_uuid()), Visibility::Visible, now).await?;
    let row = Entity::find_by_id(id.as_uuid()).one(conn).await.about(ENTITY)?;
    schedule::begin(conn, &found(row, ENTITY)?.try_into()?).await
}

async fn lock_latest(conn: &impl ConnectionTrait, owner: UserId, name: &str) -> Result<Option<Workflow>> {
    conn.execute_raw(sql::lock_name(ENTITY, owner.as_uuid(), name)).await.about(ENTITY)?;
    let query = Entity::find()
        .filter(Column::UserId.eq(owner.as_uuid()))
        .filter(Column::Name.eq(name))
        .order_by_desc(Column::Version)
        .order_by_desc(Column::Id);
    query.one(conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
}

/// The active versions of a name, of whatever owner.
fn active(name: &str) -> Select<Entity> {
    Entity::find()
        .filter(Column::Name.eq(name))
        .filter(Column::Status.eq(WorkflowStatus::Active.as_str()))
        .filter(Column::DeletedAt.is_null())
}

#[async_trait]
impl<C: ConnectionTrait + Send> WorkflowQueries for Pg<C> {
    async fn get(&self, id: WorkflowId) -> Result<Workflow> {
        let row = Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?;
        found(row, ENTITY)?.try_into()
    }

    async fn steps(&self, id: WorkflowId) -> Result<Vec<WorkflowStep>> {
        workflow_step::list(&self.conn, id).await
    }

    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Workflow>> {
        let is_own = Column::UserId.eq(owner.as_uuid());
        let query = active(name)
            .filter(Condition::any().add(is_own.clone()).add(Column::IsPublic.eq(true)))
            .order_by(is_own, Order::Desc)
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id);
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, filter: &WorkflowFilter, page: PageRequest) -> Result<Page<Workflow>> {
        listing().sorted_page(&self.conn, filtered(filter), (page, filter.sort)).await
    }
}

fn filtered(filter: &WorkflowFilter) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(owner) = filter.owner {
        let mut theirs = Condition::any().add(Column::UserId.eq(owner.as_uuid()));
        if filter.public_too {
            theirs = theirs.add(Column::IsPublic.eq(true));
        }
        query = query.filter(theirs);
    }
    if filter.public_only {
        query = query.filter(Column::IsPublic.eq(true));
    }
    if let Some(name) = &filter.name {
        query = query.filter(Column::Name.eq(name.as_str()));
    }
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    if let Some(tag) = &filter.tag {
        query = query.filter(has_tag(Column::Tags, tag));
    }
    if let Some(search) = &filter.search {
        query = query.filter(is_found(search));
    }
    if let Some(event) = &filter.event {
        let trigger = json!({ "event": { "name": event } });
        query = query.filter(Expr::col(Column::TriggerConfig).contains(trigger));
    }
    if !filter.with_deleted {
        query = query.filter(Column::DeletedAt.is_null());
    }
    query
}

fn listing() -> Listing<Entity> {
    Listing {
        entity: ENTITY,
        columns: (Column::CreatedAt, Column::Id),
        key: |row| (row.created_at, row.id),
        order: Order::Desc,
    }
}

fn change(workflow: &Workflow, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(workflow)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        total_executions: NotSet,
        successful_executions: NotSet,
        failed_executions: NotSet,
        avg_execution_time_ms: NotSet,
        total_execution_time_ms: NotSet,
        last_execution_at: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&Workflow> for Model {
    type Error = RepositoryError;

    fn try_from(workflow: &Workflow) -> Result<Self> {
        Ok(Self {
            id: workflow.id.as_uuid(),
            name: workflow.name.to_string(),
            description: workflow.description.clone(),
            user_id: workflow.user_id.as_uuid(),
            status: workflow.status.to_string(),
            version: fit(workflow.version.get())?,
            parent_id: workflow.parent_id.map(WorkflowId::as_uuid),
            definition: workflow.definition.clone(),
            trigger_config: workflow.trigger_config.clone(),
            schedule_enabled: workflow.schedule_enabled,
            schedule_cron: workflow.schedule_cron.as_ref().map(ToString::to_string),
            schedule_timezone: workflow.schedule_timezone.to_string(),
            total_executions: fit(workflow.total_executions)?,
            successful_executions: fit(workflow.successful_executions)?,
            failed_executions: fit(workflow.failed_executions)?,
            avg_execution_time_ms: fit(workflow.avg_execution_time_ms)?,
            total_execution_time_ms: fit(workflow.total_execution_time_ms)?,
            last_execution_at: stored(workflow.last_execution_at),
            tags: words(&workflow.tags),
            is_public: workflow.is_public,
            created_at: workflow.created_at.naive_utc(),
            updated_at: workflow.updated_at.naive_utc(),
            deleted_at: stored(workflow.deleted_at),
        })
    }
}

impl TryFrom<Model> for Workflow {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: WorkflowId::from_uuid(row.id),
            name: read.text(row.name)?,
            description: row.description,
            user_id: UserId::from_uuid(row.user_id),
            status: read.text(row.status)?,
            version: read.number(row.version)?,
            parent_id: row.parent_id.map(WorkflowId::from_uuid),
            definition: row.definition,
            trigger_config: row.trigger_config,
            schedule_enabled: row.schedule_enabled,
            schedule_cron: read.text_opt(row.schedule_cron)?,
            schedule_timezone: read.text(row.schedule_timezone)?,
            total_executions: read.number(row.total_executions)?,
            successful_executions: read.number(row.successful_executions)?,
            failed_executions: read.number(row.failed_executions)?,
            avg_execution_time_ms: read.number(row.avg_execution_time_ms)?,
            total_execution_time_ms: read.number(row.total_execution_time_ms)?,
            last_execution_at: utc(row.last_execution_at),
            tags: read.texts(row.tags)?,
            is_public: row.is_public,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
