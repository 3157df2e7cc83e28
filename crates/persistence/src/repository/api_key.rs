//! The API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait,
    IntoActiveModel, Order, QueryFilter,
};
use turbocat_domain::{
    api_key::ApiKey,
    id::{ApiKeyId, UserId},
    port::{ApiKeyQueries, ApiKeyRepository, Page, PageRequest, RepositoryError, Result},
};

use super::{Change, Visibility, found, insert, mark, save};
use crate::{
    convert::{Read, fit, stored, utc, words},
    entity::api_key::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    store::Pg,
};

const ENTITY: &str = "api_key";

#[async_trait]
impl<C: ConnectionTrait + Send> ApiKeyRepository for Pg<C> {
    #[tracing::instrument(name = "db.api_keys.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, key: &ApiKey) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, std::slice::from_ref(key)).await)
    }

    #[tracing::instrument(name = "db.api_keys.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, key: &ApiKey, now: DateTime<Utc>) -> Result<()> {
        self.settle(save(self.usable()?, change(key, now)).await)
    }

    #[tracing::instrument(name = "db.api_keys.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await)
    }

    #[tracing::instrument(name = "db.api_keys.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Visible, now).await)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> ApiKeyQueries for Pg<C> {
    async fn get(&self, id: ApiKeyId) -> Result<ApiKey> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn find_by_hash<'a>(&self, key_hash: &'a str) -> Result<Option<ApiKey>> {
        let query = Entity::find()
            .filter(Column::KeyHash.eq(key_hash))
            .filter(Column::IsActive.eq(true))
            .filter(Column::DeletedAt.is_null());
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<ApiKey>> {
        let query = Entity::find().filter(Column::UserId.eq(user.as_uuid())).filter(Column::DeletedAt.is_null());
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

fn change(key: &ApiKey, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(key)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        last_used_at: NotSet,
        usage_count: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&ApiKey> for Model {
    type Error = RepositoryError;

    fn try_from(key: &ApiKey) -> Result<Self> {
        Ok(Self {
            id: key.id.as_uuid(),
            user_id: key.user_id.as_uuid(),
            name: key.name.to_string(),
            key_hash: key.key_hash.as_str().to_owned(),
            key_prefix: key.key_prefix.clone(),
            scopes: words(&key.scopes),
            is_active: key.is_active,
            expires_at: stored(key.expires_at),
            last_used_at: stored(key.last_used_at),
            usage_count: fit(key.usage_count)?,
            rate_limit_per_minute: fit(key.rate_limit_per_minute)?,
            created_at: key.created_at.naive_utc(),
            updated_at: key.updated_at.naive_utc(),
            deleted_at: stored(key.deleted_at),
        })
    }
}

impl TryFrom<Model> for ApiKey {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: ApiKeyId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            name: read.text(row.name)?,
            key_hash: row.key_hash.into(),
            key_prefix: row.key_prefix,
            scopes: read.texts(row.scopes)?,
            is_active: row.is_active,
            expires_at: utc(row.expires_at),
            last_used_at: utc(row.last_used_at),
            usage_count: read.number(row.usage_count)?,
            rate_limit_per_minute: read.number(row.rate_limit_per_minute)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
