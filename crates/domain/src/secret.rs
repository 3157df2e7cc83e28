//! Secrets of users, as they are kept: sealed. The rules know no value, and no way to one.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::{
    id::{SecretId, UserId},
    value::SecretName,
};

/// The shortest value, in bytes: a shorter one would be found, and taken out, in what has nothing to do with it.
pub const VALUE_BYTES_MIN: usize = 8;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 10;
/// The most hosts that a secret is for.
pub const HOSTS_MAX: usize = 50;

/// A secret of a user, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its id; it stays when a new value is set.
    pub id: SecretId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called; unique for its owner.
    pub name: SecretName,
    /// The hosts that it may be sent to, in lower case; without any it is for code agents alone.
    pub hosts: Vec<String>,
    /// The value, sealed.
    pub sealed: Sealed,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When its value was last set.
    pub updated_at: DateTime<Utc>,
}

impl StoredSecret {
    /// What its value is bound to when it is sealed: moved to another owner or name it cannot be opened.
    #[must_use]
    pub fn binding(user_id: UserId, name: &SecretName) -> String {
        format!("turbocat/secret/1/{}/{name}", user_id.as_uuid())
    }
}

/// A value under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key opens it.
    pub key_id: String,
    /// The nonce, the value, and what shows that neither was touched.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes under {})", self.bytes.len(), self.key_id)
    }
}

/// Reads a host that a secret may be sent to: a name or an address, without scheme, port and path.
#[must_use]
pub fn parse_host(text: &str) -> Option<String> {
    let host = text.trim().to_ascii_lowercase();
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    let is_name = !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed);
    let is_address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = is_address.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    (is_name || is_address).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_alone() {
        assert_eq!(parse_host(" API.example.com ").as_deref(), Some("api.example.com"));
        assert_eq!(parse_host("127.0.0.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(parse_host("[::1]").as_deref(), Some("[::1]"));
        for bad in ["", "https://x.org", "x.org:80", "x.org/a", "*.x.org", "a b"] {
            assert_eq!(parse_host(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_sealed_shows_nothing_but_its_key() {
        let sealed = Sealed { key_id: "k1".to_owned(), bytes: vec![7; 40] };

        assert_eq!(format!("{sealed:?}"), "Sealed(40 bytes under k1)");
    }
}
