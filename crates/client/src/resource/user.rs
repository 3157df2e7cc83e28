//! Users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{id::UserId, user::UserRole};

use super::paged;
use crate::text;

/// An account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    #[serde(with = "text")]
    pub id: UserId,
    /// The address.
    pub email: String,
    /// What the user is called.
    pub full_name: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// What the user may do.
    pub role: UserRole,
    /// Whether the account can be used.
    pub is_active: bool,
    /// Whether the address is proven to be the user's.
    pub email_verified: bool,
    /// When the user last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// What the user has set in the console.
    pub preferences: Value,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// The account.
    pub user: User,
    /// What may be done with this credential.
    pub permissions: Vec<String>,
}

/// An account that is wanted.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    /// The address.
    pub email: String,
    /// What the user is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// What the user may do: `user` without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<UserRole>,
    /// The password; without one nobody can log in. A service account (`agent`) has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Which accounts are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserQuery {
    /// Only this role.
    pub role: Option<UserRole>,
    /// With those that are deleted.
    pub deleted: bool,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(UserQuery);
