//! The tokens that are sent to users, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::UserId,
    port::{Clock, RepositoryError, Result, UserTokenRepository},
    user_token::{NewUserToken, TokenPurpose, UserToken},
};

use super::super::{
    tables::{Tables, UserTokenRow},
    unit_of_work::MemoryUnitOfWork,
};

const ENTITY: &str = "user_token";

#[async_trait]
impl UserTokenRepository for MemoryUnitOfWork {
    async fn issue(&mut self, token: &NewUserToken, standing_max: u32) -> Result<bool> {
        let (now, token) = (self.shared.clock.now(), token.clone());
        let of_user = |row: &&UserTokenRow| row.token.user_id == token.user_id && row.token.purpose == token.purpose;
        let standing = self.view.user_tokens.values().filter(|row| row.is_usable(now)).filter(of_user).count();
        if standing >= usize::try_from(standing_max).unwrap_or(usize::MAX) {
            return Ok(false);
        }
        self.apply(move |tables| tables.insert_user_token(&token, now))?;
        Ok(true)
    }

    async fn redeem<'a>(&mut self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>> {
        let now = self.shared.clock.now();
        let Some(found) = self.view.usable_token(purpose, token_hash, now) else { return Ok(None) };
        self.lock_name((ENTITY, found.user_id, purpose.to_string())).await?;
        let Some(found) = self.view.usable_token(purpose, token_hash, now) else { return Ok(None) };
        let user = found.user_id;
        self.apply(move |tables| {
            tables.end_user_tokens(now, |row| row.token.user_id == user && row.token.purpose == purpose);
            Ok(())
        })?;
        Ok(Some(found))
    }

    async fn revoke_all(&mut self, user: UserId) -> Result<()> {
        let now = self.shared.clock.now();
        self.apply(move |tables| {
            tables.end_user_tokens(now, |row| row.token.user_id == user);
            Ok(())
        })
    }
}

impl Tables {
    /// The token with a hash, if it can be used for this.
    pub(in crate::memory) fn usable_token(
        &self,
        purpose: TokenPurpose,
        token_hash: &str,
        now: DateTime<Utc>,
    ) -> Option<UserToken> {
        let row = self.user_tokens.get(token_hash).filter(|row| row.is_usable(now))?;
        (row.token.purpose == purpose).then(|| row.token.clone())
    }

    fn insert_user_token(&mut self, new: &NewUserToken, now: DateTime<Utc>) -> Result<()> {
        if !self.users.contains(new.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let tokens = Arc::make_mut(&mut self.user_tokens);
        if tokens.contains_key(new.token_hash.as_str()) || tokens.values().any(|row| row.token.id == new.id) {
            return Err(RepositoryError::AlreadyExists { entity: ENTITY });
        }
        let token = UserToken {
            id: new.id,
            user_id: new.user_id,
            purpose: new.purpose,
            email: new.email.clone(),
            expires_at: now + new.lifetime,
        };
        tokens.insert(new.token_hash.as_str().to_owned(), UserTokenRow { token, used_at: None });
        Ok(())
    }

    fn end_user_tokens(&mut self, now: DateTime<Utc>, are_meant: impl Fn(&UserTokenRow) -> bool) {
        let rows = Arc::make_mut(&mut self.user_tokens).values_mut();
        for row in rows.filter(|row| row.used_at.is_none() && are_meant(row)) {
            row.used_at = Some(now);
        }
    }
}
