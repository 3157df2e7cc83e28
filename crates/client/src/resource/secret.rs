//! Secrets, without their values.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use turbocat_domain::id::{SecretId, UserId};

use super::paged;
use crate::text;

/// What may be told of a secret. Its value is shown to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id.
    #[serde(with = "text")]
    pub id: SecretId,
    /// Whose it is.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// What it is called: agents name it as `${{ secrets.NAME }}`.
    pub name: String,
    /// The hosts that it may be sent to; without any it is for code agents alone.
    pub hosts: Vec<String>,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When its value was last set.
    pub updated_at: DateTime<Utc>,
}

/// A secret that is to be set.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSecret {
    /// What it is called: letters, digits and `_`.
    pub name: String,
    /// Its value. It is shown nowhere again.
    pub value: String,
    /// The hosts that it may be sent to; without any it is for code agents alone.
    pub hosts: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Which secrets are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretQuery {
    /// Whose; of who asks without.
    #[serde(default, with = "text::or_null")]
    pub user_id: Option<UserId>,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

paged!(SecretQuery);
