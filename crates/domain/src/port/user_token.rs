//! What is sent to a user's address, to be brought back once.

use async_trait::async_trait;

use super::Result;
use crate::{
    id::UserId,
    user_token::{NewUserToken, TokenPurpose, UserToken},
};

/// The tokens that are sent to users. In a transaction they come before the user whom they change: two that take them in
/// another order would wait for each other.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UserTokenRepository: Send {
    /// Inserts a token that can be used until its lifetime is over, by the store's time. Leaves it out and says `false`
    /// if so many of its user and purpose can be used already. Two with one hash are `AlreadyExists`.
    async fn issue(&mut self, token: &NewUserToken, standing_max: u32) -> Result<bool>;
    /// Uses a token: it, and all others of its user and purpose, can never be used again. MUST give it out once, however
    /// many ask at once; `None` for one that cannot be used, by the store's time, or is for another purpose.
    async fn redeem<'a>(&mut self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>>;
    /// Lets no token of a user be used again, whatever it is for.
    async fn revoke_all(&mut self, user: UserId) -> Result<()>;
}

/// Reads the tokens that are sent to users.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UserTokenQueries: Send + Sync {
    /// The token with this hash, if it is for this purpose and can be used, by the store's time.
    async fn find_usable<'a>(&self, purpose: TokenPurpose, token_hash: &'a str) -> Result<Option<UserToken>>;
}
