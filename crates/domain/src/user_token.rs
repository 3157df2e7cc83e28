//! Tokens that are sent to a user's address: who brings one back has read the mail. The token itself is never kept.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    id::{UserId, UserTokenId},
    limits,
    value::{Email, SecretHash, text_enum},
};

text_enum! {
    /// What a token is for.
    pub enum TokenPurpose: "a purpose of a token" {
        /// To set a new password.
        PasswordReset = "password_reset",
        /// To prove that the address is the user's.
        EmailVerification = "email_verification",
    }
}

impl TokenPurpose {
    /// How long a token can be used.
    #[must_use]
    pub const fn lifetime(self) -> TimeDelta {
        match self {
            Self::PasswordReset => limits::PASSWORD_RESET_LIFETIME,
            Self::EmailVerification => limits::EMAIL_VERIFICATION_LIFETIME,
        }
    }
}

/// A token that is to be issued. When it ends is the store's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUserToken {
    /// Its id.
    pub id: UserTokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// The hash of the token, by which it is found.
    pub token_hash: SecretHash,
    /// Where it is sent.
    pub email: Email,
    /// How long it can be used.
    pub lifetime: TimeDelta,
}

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// Its id.
    pub id: UserTokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// Where it was sent: what it proves, and nothing else.
    pub email: Email,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
}
