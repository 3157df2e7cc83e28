//! API keys.

use chrono::{DateTime, Utc};
use serde::Serialize;
use turbocat_application::IssuedKey;
use turbocat_domain::api_key::ApiKey;
use utoipa::ToSchema;

/// An API key, without the key.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id.
    id: String,
    /// Whose it is.
    user_id: String,
    /// What it is called.
    name: String,
    /// How the key begins.
    key_prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Whether it can be used.
    is_active: bool,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to about a second.
    last_used_at: Option<DateTime<Utc>>,
    /// How often it was used, up to about a second ago.
    usage_count: u32,
    /// The requests that it may make in a minute.
    rate_limit_per_minute: u32,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            user_id: key.user_id.to_string(),
            name: key.name.to_string(),
            key_prefix: key.key_prefix,
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            is_active: key.is_active,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            usage_count: key.usage_count,
            rate_limit_per_minute: key.rate_limit_per_minute,
            created_at: key.created_at,
        }
    }
}

/// A new API key, with the key.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct IssuedKeyView {
    /// The key itself. It is shown this once, and is not kept.
    key: String,
    /// What is kept of it.
    #[serde(flatten)]
    about: KeyView,
}

impl From<IssuedKey> for IssuedKeyView {
    fn from(issued: IssuedKey) -> Self {
        Self { key: issued.token.expose().to_owned(), about: issued.key.into() }
    }
}
