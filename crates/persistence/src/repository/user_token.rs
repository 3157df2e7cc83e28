//! The tokens that are sent to users.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use turbocat_domain::{
    id::{UserId, UserTokenId},
    port::{RepositoryError, Result, UserTokenQueries, UserTokenRepository},
    user_token::{NewUserToken, TokenPurpose, UserToken},
};
use uuid::Uuid;

use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, UserTokenValues},
    store::Pg,
};

const ENTITY: &str = "user_token";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    purpose: String,
    email: String,
    expires_at: NaiveDateTime,
}

#[async_trait]
impl<C: ConnectionTrait + Send> UserTokenRepository for Pg<C> {
    #[tracing::instrument(name = "db.user_tokens.issue", skip_all, err(level = "debug"))]
    async fn issue(&mut self, token: &NewUserToken, standing_max: u32) -> Result<bool> {
        let values = UserTokenValues {
            id: token.id.as_uuid(),
            user_id: token.user_id.as_uuid(),
            purpose: token.purpose.as_str(),
            token_hash: token.token_hash.as_str().to_owned(),
            email: token.email.to_string(),
            lifetime_us: token.lifetime.num_microseconds().unwrap_or(i64::MAX),
            standing_max: i64::from(standing_max),
        };
        let issued = self.usable()?.execute_raw(sql::issue_user_token(values)).await.about(ENTITY);
        self.settle(issued.map(|done| done.rows_affected() == 1))
    }

    #[tracing::instrument(name = "db.user_tokens.redeem", skip_all, err(level = "debug"))]
    async fn redeem<'a>(&mut self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>> {
        let statement = sql::redeem_user_token(purpose.as_str(), token_hash);
        let row = Row::find_by_statement(statement).one(self.usable()?).await.about(ENTITY);
        self.settle(row.and_then(|row| row.map(TryInto::try_into).transpose()))
    }

    #[tracing::instrument(name = "db.user_tokens.revoke_all", skip_all, err(level = "debug"))]
    async fn revoke_all(&mut self, user: UserId) -> Result<()> {
        let revoked = self.usable()?.execute_raw(sql::revoke_user_tokens(user.as_uuid())).await.about(ENTITY);
        self.settle(revoked.map(|_| ()))
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> UserTokenQueries for Pg<C> {
    async fn find_usable<'a>(&self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>> {
        let statement = sql::find_user_token(purpose.as_str(), token_hash);
        let row = Row::find_by_statement(statement).one(&self.conn).await.about(ENTITY)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl TryFrom<Row> for UserToken {
    type Error = RepositoryError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: UserTokenId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            purpose: Read(ENTITY).text(row.purpose)?,
            email: Read(ENTITY).text(row.email)?,
            expires_at: row.expires_at.and_utc(),
        })
    }
}
