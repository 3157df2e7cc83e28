//! Users, and their sessions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::{session::Session, user::User};
use utoipa::ToSchema;

use crate::words::UserRoleWord;

/// An account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Its id.
    id: String,
    /// The address.
    email: String,
    /// What the user is called.
    full_name: Option<String>,
    /// A picture.
    avatar_url: Option<String>,
    /// What the user may do.
    role: UserRoleWord,
    /// Whether the account can be used.
    is_active: bool,
    /// Whether the address is proven to be the user's.
    email_verified: bool,
    /// When the user last logged in.
    last_login_at: Option<DateTime<Utc>>,
    /// What the user has set in the console.
    preferences: Value,
    /// When the account was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            full_name: user.full_name.map(|name| name.to_string()),
            avatar_url: user.avatar_url,
            role: user.role.into(),
            is_active: user.is_active,
            email_verified: user.email_verified,
            last_login_at: user.last_login_at,
            preferences: user.preferences,
            created_at: user.created_at,
            updated_at: user.updated_at,
            deleted_at: user.deleted_at,
        }
    }
}

/// A session, without its token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Its id.
    id: String,
    /// Whose it is.
    user_id: String,
    /// Where the login came from.
    ip_address: Option<String>,
    /// What program logged in.
    user_agent: Option<String>,
    /// When the login was.
    created_at: DateTime<Utc>,
    /// When it ends by itself.
    expires_at: DateTime<Utc>,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: session.user_id.to_string(),
            ip_address: session.ip_address.map(|address| address.to_string()),
            user_agent: session.user_agent,
            created_at: session.created_at,
            expires_at: session.expires_at,
        }
    }
}
