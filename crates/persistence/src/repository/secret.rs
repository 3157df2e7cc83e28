//! The secrets, sealed.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use turbocat_domain::{
    id::{SecretId, UserId},
    port::{RepositoryError, Result, SecretQueries, SecretRepository},
    secret::{Sealed, StoredSecret},
};
use uuid::Uuid;

use super::found;
use crate::{
    convert::Read,
    entity::secret::{Column, Entity, Model},
    error::ErrorContext,
    sql::{self, SecretValues},
    store::Pg,
};

const ENTITY: &str = "secret";

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

#[async_trait]
impl<C: ConnectionTrait + Send> SecretRepository for Pg<C> {
    #[tracing::instrument(name = "db.secrets.put", skip_all, err(level = "debug"))]
    async fn put(&mut self, secret: &StoredSecret) -> Result<SecretId> {
        self.settle(put(self.usable()?, secret).await)
    }

    #[tracing::instrument(name = "db.secrets.reseal", skip_all, err(level = "debug"))]
    async fn reseal(&mut self, id: SecretId, seen: &Sealed, sealed: &Sealed) -> Result<()> {
        self.settle(reseal(self.usable()?, id, (seen, sealed)).await)
    }

    #[tracing::instrument(name = "db.secrets.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: SecretId) -> Result<()> {
        let deleted = Entity::delete_by_id(id.as_uuid()).exec(self.usable()?).await.about(ENTITY);
        self.settle(deleted.and_then(|done| match done.rows_affected {
            0 => Err(RepositoryError::NotFound { entity: ENTITY }),
            _ => Ok(()),
        }))
    }
}

async fn put(conn: &impl ConnectionTrait, secret: &StoredSecret) -> Result<SecretId> {
    let values = SecretValues {
        id: secret.id.as_uuid(),
        user_id: secret.user_id.as_uuid(),
        name: secret.name.to_string(),
        hosts: secret.hosts.clone(),
        key_id: secret.sealed.key_id.clone(),
        sealed: secret.sealed.bytes.clone(),
        now: secret.updated_at.naive_utc(),
    };
    let row = IdRow::find_by_statement(sql::put_secret(values)).one(conn).await.about(ENTITY)?;
    found(row, ENTITY).map(|row| SecretId::from_uuid(row.id))
}

async fn reseal(conn: &impl ConnectionTrait, id: SecretId, (seen, sealed): (&Sealed, &Sealed)) -> Result<()> {
    let done = Entity::update_many()
        .col_expr(Column::KeyId, Expr::value(sealed.key_id.clone()))
        .col_expr(Column::Sealed, Expr::value(sealed.bytes.clone()))
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::KeyId.eq(seen.key_id.clone()))
        .filter(Column::Sealed.eq(seen.bytes.clone()))
        .exec(conn)
        .await
        .about(ENTITY)?;
    if done.rows_affected == 1 { Ok(()) } else { Err(RepositoryError::Conflict { entity: ENTITY }) }
}

#[async_trait]
impl<C: ConnectionTrait + Send> SecretQueries for Pg<C> {
    async fn get(&self, id: SecretId) -> Result<StoredSecret> {
        found(Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn find<'a>(&self, owner: UserId, names: &'a [String]) -> Result<Vec<StoredSecret>> {
        let query = Entity::find()
            .filter(Column::UserId.eq(owner.as_uuid()))
            .filter(Column::Name.is_in(names.iter().map(String::as_str)))
            .order_by_asc(Column::Name);
        read(query.all(&self.conn).await.about(ENTITY)?)
    }

    async fn list<'a>(&self, owner: UserId, after: &'a str, limit: u16) -> Result<Vec<StoredSecret>> {
        // By bytes, as the rules compare names, and not by the language of the database.
        let name = || Expr::cust("name COLLATE \"C\"");
        let query = Entity::find()
            .filter(Column::UserId.eq(owner.as_uuid()))
            .filter(sea_orm::sea_query::ExprTrait::gt(name(), after))
            .order_by_asc(name())
            .limit(u64::from(limit));
        read(query.all(&self.conn).await.about(ENTITY)?)
    }

    async fn list_under_others<'a>(&self, key_id: &'a str, limit: u16) -> Result<Vec<StoredSecret>> {
        let query = Entity::find().filter(Column::KeyId.ne(key_id)).order_by_asc(Column::Id).limit(u64::from(limit));
        read(query.all(&self.conn).await.about(ENTITY)?)
    }
}

fn read(rows: Vec<Model>) -> Result<Vec<StoredSecret>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<Model> for StoredSecret {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: SecretId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            name: Read(ENTITY).text(row.name)?,
            hosts: row.hosts,
            sealed: Sealed { key_id: row.key_id, bytes: row.sealed },
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
        })
    }
}
