//! Hashes of secrets.

use std::fmt;

/// The hash of a password or of a key: kept, compared by its hasher, never printed and never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(String);

impl SecretHash {
    /// Wraps a hash that a hasher has made, or that was stored.
    #[must_use]
    pub fn new(hash: impl Into<String>) -> Self {
        Self(hash.into())
    }

    /// The hash itself, for the hasher and the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretHash {
    fn from(hash: String) -> Self {
        Self(hash)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(format!("{:?}", SecretHash::new("$argon2id$v=19$secret")), "SecretHash(…)");
    }
}
