//! The statements of the tokens that are sent to users.

use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

/// The parameters of `issue_user_token`.
pub(crate) struct UserTokenValues {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) purpose: &'static str,
    pub(crate) token_hash: String,
    pub(crate) email: String,
    pub(crate) lifetime_us: i64,
    pub(crate) standing_max: i64,
}

pub(crate) fn issue_user_token(values: UserTokenValues) -> Statement {
    let UserTokenValues { id, user_id, purpose, token_hash, email, lifetime_us, standing_max } = values;
    statement!("issue_user_token", id, user_id, purpose, token_hash, email, lifetime_us, standing_max)
}

pub(crate) fn find_user_token(purpose: &str, token_hash: &str) -> Statement {
    statement!("find_user_token", purpose, token_hash)
}

pub(crate) fn redeem_user_token(purpose: &str, token_hash: &str) -> Statement {
    statement!("redeem_user_token", purpose, token_hash)
}

pub(crate) fn revoke_user_tokens(user: Uuid) -> Statement {
    statement!("revoke_user_tokens", user)
}
