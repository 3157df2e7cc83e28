//! The users.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::NotSet,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Order, QueryFilter,
    sea_query::{Expr, ExprTrait, Func},
};
use turbocat_domain::{
    id::UserId,
    port::{Page, PageRequest, RepositoryError, Result, UserFilter, UserQueries, UserRepository},
    user::User,
    value::Email,
};

use super::{Change, Visibility, found, has_words, insert, mark, save};
use crate::{
    convert::{Read, stored, utc},
    entity::user::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    store::Pg,
};

const ENTITY: &str = "user";

#[async_trait]
impl<C: ConnectionTrait + Send> UserRepository for Pg<C> {
    #[tracing::instrument(name = "db.users.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, user: &User) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, std::slice::from_ref(user)).await)
    }

    #[tracing::instrument(name = "db.users.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, user: &User, now: DateTime<Utc>) -> Result<()> {
        self.settle(save(self.usable()?, change(user, now)).await)
    }

    #[tracing::instrument(name = "db.users.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await)
    }

    #[tracing::instrument(name = "db.users.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Visible, now).await)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> UserQueries for Pg<C> {
    async fn get(&self, id: UserId) -> Result<User> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>> {
        let query = Entity::find()
            .filter(Expr::expr(Func::lower(Expr::col(Column::Email))).eq(email.as_str()))
            .filter(Column::DeletedAt.is_null());
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, filter: &UserFilter, page: PageRequest) -> Result<Page<User>> {
        let mut query = Entity::find();
        if let Some(role) = filter.role {
            query = query.filter(Column::Role.eq(role.as_str()));
        }
        if let Some(active) = filter.active {
            query = query.filter(Column::IsActive.eq(active));
        }
        if let Some(search) = &filter.search {
            query = query.filter(has_words(search, "email, full_name"));
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

fn change(user: &User, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(user)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&User> for Model {
    type Error = RepositoryError;

    fn try_from(user: &User) -> Result<Self> {
        Ok(Self {
            id: user.id.as_uuid(),
            email: user.email.to_string(),
            password_hash: user.password_hash.as_ref().map(|hash| hash.as_str().to_owned()),
            full_name: user.full_name.as_ref().map(ToString::to_string),
            avatar_url: user.avatar_url.clone(),
            role: user.role.to_string(),
            is_active: user.is_active,
            email_verified: user.email_verified,
            email_verified_at: stored(user.email_verified_at),
            last_login_at: stored(user.last_login_at),
            preferences: user.preferences.clone(),
            created_at: user.created_at.naive_utc(),
            updated_at: user.updated_at.naive_utc(),
            deleted_at: stored(user.deleted_at),
        })
    }
}

impl TryFrom<Model> for User {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: UserId::from_uuid(row.id),
            email: read.text(row.email)?,
            password_hash: row.password_hash.map(Into::into),
            full_name: read.text_opt(row.full_name)?,
            avatar_url: row.avatar_url,
            role: read.text(row.role)?,
            is_active: row.is_active,
            email_verified: row.email_verified,
            email_verified_at: utc(row.email_verified_at),
            last_login_at: utc(row.last_login_at),
            preferences: row.preferences,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}
