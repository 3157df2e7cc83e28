//! The sessions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, Select, UpdateMany, prelude::IpNetwork,
    sea_query::Expr,
};
use turbocat_domain::{
    id::{SessionId, UserId},
    port::{Page, PageRequest, RepositoryError, Result, SessionQueries, SessionRepository},
    session::Session,
};

use super::{found, insert};
use crate::{
    convert::{stored, utc},
    entity::session::{Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    store::Pg,
};

const ENTITY: &str = "session";

#[async_trait]
impl<C: ConnectionTrait + Send> SessionRepository for Pg<C> {
    #[tracing::instrument(name = "db.sessions.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, session: &Session) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, std::slice::from_ref(session)).await)
    }

    #[tracing::instrument(name = "db.sessions.end", skip_all, err(level = "debug"))]
    async fn end(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<()> {
        let ended = end(self.usable()?, ended_at(now).filter(Column::Id.eq(id.as_uuid()))).await;
        self.settle(ended.and_then(|count| match count {
            0 => Err(RepositoryError::NotFound { entity: ENTITY }),
            _ => Ok(()),
        }))
    }

    #[tracing::instrument(name = "db.sessions.end_all", skip_all, err(level = "debug"))]
    async fn end_all(&mut self, user: UserId, now: DateTime<Utc>) -> Result<u64> {
        let ended = end(self.usable()?, ended_at(now).filter(Column::UserId.eq(user.as_uuid()))).await;
        self.settle(ended)
    }
}

fn ended_at(now: DateTime<Utc>) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::EndedAt, Expr::value(now.naive_utc())).filter(Column::EndedAt.is_null())
}

async fn end(conn: &impl ConnectionTrait, update: UpdateMany<Entity>) -> Result<u64> {
    Ok(update.exec(conn).await.about(ENTITY)?.rows_affected)
}

#[async_trait]
impl<C: ConnectionTrait + Send> SessionQueries for Pg<C> {
    async fn get(&self, id: SessionId) -> Result<Session> {
        found(Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn find_by_hash<'a>(&self, token_hash: &'a str) -> Result<Option<Session>> {
        let query = standing().filter(Column::TokenHash.eq(token_hash));
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<Session>> {
        let listing = Listing {
            entity: ENTITY,
            columns: (Column::CreatedAt, Column::Id),
            key: |row: &Model| (row.created_at, row.id),
            order: Order::Desc,
        };
        listing.page(&self.conn, standing().filter(Column::UserId.eq(user.as_uuid())), page).await
    }
}

/// The sessions that were not ended.
fn standing() -> Select<Entity> {
    Entity::find().filter(Column::EndedAt.is_null())
}

impl TryFrom<&Session> for Model {
    type Error = RepositoryError;

    fn try_from(session: &Session) -> Result<Self> {
        Ok(Self {
            id: session.id.as_uuid(),
            user_id: session.user_id.as_uuid(),
            token_hash: session.token_hash.as_str().to_owned(),
            ip_address: session.ip_address.map(IpNetwork::from),
            user_agent: session.user_agent.clone(),
            created_at: session.created_at.naive_utc(),
            expires_at: session.expires_at.naive_utc(),
            ended_at: stored(session.ended_at),
        })
    }
}

impl TryFrom<Model> for Session {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            token_hash: row.token_hash.into(),
            ip_address: row.ip_address.map(|network| network.ip()),
            user_agent: row.user_agent,
            created_at: row.created_at.and_utc(),
            expires_at: row.expires_at.and_utc(),
            ended_at: utc(row.ended_at),
        })
    }
}
