//! API keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use turbocat_domain::id::{ApiKeyId, UserId};

use super::paged;
use crate::text;

/// An API key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    #[serde(with = "text")]
    pub id: ApiKeyId,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// What it is called.
    pub name: String,
    /// How the key begins.
    pub key_prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whether it can be used.
    pub is_active: bool,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to about a second.
    pub last_used_at: Option<DateTime<Utc>>,
    /// How often it was used, up to about a second ago.
    pub usage_count: u32,
    /// The requests that it may make in a minute.
    pub rate_limit_per_minute: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A new API key, with the key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The key itself. It is shown this once, and is not kept.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub about: ApiKey,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey").field("about", &self.about).finish_non_exhaustive()
    }
}

/// A key that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// What it is called.
    pub name: String,
    /// What it may do: `workflows:read`, `executions:*`, `*`.
    pub scopes: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// When it ends; never without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The requests that it may make in a minute; 60 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u32>,
}

/// Which keys are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyQuery {
    /// Whose; of who asks without.
    #[serde(default, with = "text::or_null")]
    pub user_id: Option<UserId>,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(KeyQuery);
