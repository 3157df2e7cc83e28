//! Secrets, without their values.

use chrono::{DateTime, Utc};
use serde::Serialize;
use turbocat_application::SecretInfo;
use utoipa::ToSchema;

/// What may be told of a secret. Its value is shown to nobody.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SecretView {
    /// Its id.
    id: String,
    /// Whose it is.
    user_id: String,
    /// What it is called: agents name it as `${{ secrets.NAME }}`.
    name: String,
    /// The hosts that it may be sent to; without any it is for code agents alone.
    hosts: Vec<String>,
    /// When it was first set.
    created_at: DateTime<Utc>,
    /// When its value was last set.
    updated_at: DateTime<Utc>,
}

impl From<SecretInfo> for SecretView {
    fn from(secret: SecretInfo) -> Self {
        Self {
            id: secret.id.to_string(),
            user_id: secret.user_id.to_string(),
            name: secret.name.to_string(),
            hosts: secret.hosts,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
        }
    }
}
