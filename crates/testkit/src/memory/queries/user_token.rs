//! Reads the tokens that are sent to users.

use async_trait::async_trait;
use turbocat_domain::{
    port::{Result, UserTokenQueries},
    user_token::{TokenPurpose, UserToken},
};

use super::super::MemoryStore;

#[async_trait]
impl UserTokenQueries for MemoryStore {
    async fn find_usable<'a>(&self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>> {
        Ok(self.tables().usable_token(purpose, token_hash, self.now()))
    }
}
