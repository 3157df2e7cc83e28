//! The agents.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, Order, QueryFilter, QueryOrder, Select,
};
use turbocat_domain::{
    agent::{Agent, AgentStatus},
    id::{AgentId, UserId},
    port::{AgentFilter, AgentQueries, AgentRepository, Page, PageRequest, RepositoryError, Result},
};

use super::{Change, Visibility, found, has_tag, insert, is_found, mark, save};
use crate::{
    convert::{Read, fit, fit_opt, stored, utc, words},
    entity::agent::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    sql,
    store::Pg,
};

const ENTITY: &str = "agent";

#[async_trait]
impl<C: ConnectionTrait + Send> AgentRepository for Pg<C> {
    #[tracing::instrument(name = "db.agents.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, agents: &[Agent]) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, agents).await)
    }

    #[tracing::instrument(name = "db.agents.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, agent: &Agent, now: DateTime<Utc>) -> Result<()> {
        self.settle(save(self.usable()?, change(agent, now)).await)
    }

    #[tracing::instrument(name = "db.agents.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await)
    }

    #[tracing::instrument(name = "db.agents.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Visible, now).await)
    }

    #[tracing::instrument(name = "db.agents.lock_latest", skip_all, err(level = "debug"))]
    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Agent>> {
        self.settle(lock_latest(self.usable()?, owner, name).await)
    }
}

async fn lock_latest(conn: &impl ConnectionTrait, owner: UserId, name: &str) -> Result<Option<Agent>> {
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
        .filter(Column::Status.eq(AgentStatus::Active.as_str()))
        .filter(Column::DeletedAt.is_null())
}

#[async_trait]
impl<C: ConnectionTrait + Send> AgentQueries for Pg<C> {
    async fn get(&self, id: AgentId) -> Result<Agent> {
        let row = Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?;
        found(row, ENTITY)?.try_into()
    }

    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Agent>> {
        let is_own = Column::UserId.eq(owner.as_uuid());
        let query = active(name)
            .filter(Condition::any().add(is_own.clone()).add(Column::IsPublic.eq(true)))
            .order_by(is_own, Order::Desc)
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id);
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>> {
        listing().sorted_page(&self.conn, filtered(filter), (page, filter.sort)).await
    }
}

fn filtered(filter: &AgentFilter) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(owner) = filter.owner {
        let mut theirs = Condition::any().add(Column::UserId.eq(owner.as_uuid()));
        if filter.public_too {
            theirs = theirs.add(Column::IsPublic.eq(true));
        }
        query = query.filter(theirs);
    }
    if let Some(kind) = filter.kind {
        query = query.filter(Column::Kind.eq(kind.as_str()));
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

fn change(agent: &Agent, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(agent)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        total_executions: NotSet,
        successful_executions: NotSet,
        failed_executions: NotSet,
        avg_execution_time_ms: NotSet,
        total_execution_time_ms: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&Agent> for Model {
    type Error = RepositoryError;

    fn try_from(agent: &Agent) -> Result<Self> {
        Ok(Self {
            id: agent.id.as_uuid(),
            name: agent.name.to_string(),
            description: agent.description.clone(),
            kind: agent.kind.to_string(),
            status: agent.status.to_string(),
            version: fit(agent.version.get())?,
            parent_id: agent.parent_id.map(AgentId::as_uuid),
            user_id: agent.user_id.as_uuid(),
            config: agent.config.clone(),
            capabilities: agent.capabilities.clone(),
            parameters: agent.parameters.clone(),
            max_execution_time: fit_opt(agent.max_execution_time)?,
            max_memory_mb: fit_opt(agent.max_memory_mb)?,
            max_concurrent_executions: fit_opt(agent.max_concurrent_executions)?,
            total_executions: fit(agent.total_executions)?,
            successful_executions: fit(agent.successful_executions)?,
            failed_executions: fit(agent.failed_executions)?,
            avg_execution_time_ms: fit(agent.avg_execution_time_ms)?,
            total_execution_time_ms: fit(agent.total_execution_time_ms)?,
            tags: words(&agent.tags),
            is_public: agent.is_public,
            is_template: agent.is_template,
            created_at: agent.created_at.naive_utc(),
            updated_at: agent.updated_at.naive_utc(),
            deleted_at: stored(agent.deleted_at),
        })
    }
}

impl TryFrom<Model> for Agent {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: AgentId::from_uuid(row.id),
            name: read.text(row.name)?,
            description: row.description,
            kind: read.text(row.kind)?,
            status: read.text(row.status)?,
            version: read.number(row.version)?,
            parent_id: row.parent_id.map(AgentId::from_uuid),
            user_id: UserId::from_uuid(row.user_id),
            config: row.config,
            capabilities: row.capabilities,
            parameters: row.parameters,
            max_execution_time: read.number_opt(row.max_execution_time)?,
            max_memory_mb: read.number_opt(row.max_memory_mb)?,
            max_concurrent_executions: read.number_opt(row.max_concurrent_executions)?,
            total_executions: read.number(row.total_executions)?,
            successful_executions: read.number(row.successful_executions)?,
            failed_executions: read.number(row.failed_executions)?,
            avg_execution_time_ms: read.number(row.avg_execution_time_ms)?,
            total_execution_time_ms: read.number(row.total_execution_time_ms)?,
            tags: read.texts(row.tags)?,
            is_public: row.is_public,
            is_template: row.is_template,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
