//! API keys: what programs call with. The key itself is shown once and never kept.

use chrono::{DateTime, Utc};

use crate::{
    id::{ApiKeyId, UserId},
    limits,
    value::{Name, Scope, SecretHash, soft_delete},
};

/// A key of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: Name,
    /// The hash of the key, by which it is found.
    pub key_hash: SecretHash,
    /// How the key begins, for people to tell theirs apart.
    pub key_prefix: String,
    /// What it may do; nothing without one.
    pub scopes: Vec<Scope>,
    /// Whether it can be used.
    pub is_active: bool,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// How often it was used.
    pub usage_count: u32,
    /// The requests that it may make in a minute.
    pub rate_limit_per_minute: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What every new key needs; the rest has defaults: `ApiKey { scopes, ..ApiKey::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: Name,
    /// The hash of the key.
    pub key_hash: SecretHash,
    /// How the key begins.
    pub key_prefix: String,
}

impl ApiKey {
    /// The longest prefix that is kept, in characters.
    pub const PREFIX_CHARS_MAX: usize = 20;

    /// A new key that may do nothing yet and does not expire.
    #[must_use]
    pub fn new(new: NewApiKey, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            user_id: new.user_id,
            name: new.name,
            key_hash: new.key_hash,
            key_prefix: new.key_prefix.chars().take(Self::PREFIX_CHARS_MAX).collect(),
            scopes: Vec::new(),
            is_active: true,
            expires_at: None,
            last_used_at: None,
            usage_count: 0,
            rate_limit_per_minute: limits::RATE_PER_MINUTE_DEFAULT,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// Whether it can be used now: it is active, not deleted, and has not expired.
    #[must_use]
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.is_active && self.deleted_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it may do what needs this scope.
    #[must_use]
    pub fn allows(&self, needed: &Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }
}

soft_delete!(ApiKey);

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::value::SoftDelete as _;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn key() -> ApiKey {
        let new = NewApiKey {
            id: ApiKeyId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            name: Name::parse("CI").unwrap(),
            key_hash: SecretHash::new("hash-of-key"),
            key_prefix: "tc_live_0123456789abcdef".to_owned(),
        };
        ApiKey::new(new, NOW)
    }

    #[test]
    fn a_new_key_may_do_nothing_and_has_the_defaults_of_the_specification() {
        let key = key();

        assert!(key.is_active && !key.allows(&Scope::parse("workflows:read").unwrap()));
        assert_eq!((key.rate_limit_per_minute, key.usage_count, key.expires_at), (60, 0, None));
        assert_eq!(key.key_prefix, "tc_live_0123456789ab");
    }

    #[test]
    fn a_key_allows_what_one_of_its_scopes_covers() {
        let scopes = ["workflows:read", "executions:*"].map(|text| Scope::parse(text).unwrap());
        let key = ApiKey { scopes: scopes.to_vec(), ..key() };
        let allows = |text: &str| key.allows(&Scope::parse(text).unwrap());

        assert!(allows("workflows:read") && allows("executions:cancel"));
        assert!(!allows("workflows:write") && !allows("workflows:*") && !allows("*"));
    }

    #[test]
    fn a_key_ends_when_it_expires_is_switched_off_or_deleted() {
        let expiring = ApiKey { expires_at: Some(NOW + TimeDelta::hours(1)), ..key() };
        assert!(expiring.is_usable(NOW + TimeDelta::minutes(59)));
        assert!(!expiring.is_usable(NOW + TimeDelta::hours(1)));

        assert!(!ApiKey { is_active: false, ..key() }.is_usable(NOW));

        let mut deleted = key();
        deleted.delete(NOW);
        assert!(!deleted.is_usable(NOW));
    }

    #[test]
    fn a_key_does_not_show_its_hash() {
        assert!(!format!("{:?}", key()).contains("hash-of-key"));
    }
}
