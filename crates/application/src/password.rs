//! Hashing of passwords.

use argon2::{Argon2, PasswordHasher as _};
use turbocat_domain::value::SecretHash;

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {reason}")]
pub struct PasswordError {
    reason: String,
}

/// Hashes passwords. It takes tens of milliseconds on purpose: do not call it where others wait.
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with a new salt, as a PHC string.
    ///
    /// # Errors
    ///
    /// [`PasswordError`] if the password has a length that the algorithm does not take, or there is no randomness.
    fn hash(&self, password: &str) -> Result<SecretHash, PasswordError>;
}

/// Argon2id, with the parameters that OWASP recommends (19 MiB, two passes).
#[derive(Debug, Default, Clone, Copy)]
pub struct Argon2Hasher;

impl PasswordHasher for Argon2Hasher {
    fn hash(&self, password: &str) -> Result<SecretHash, PasswordError> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| SecretHash::new(hash.to_string())).map_err(|error| PasswordError { reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};

    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_never_the_same_twice() {
        let (first, second) =
            (Argon2Hasher.hash("correct horse").unwrap(), Argon2Hasher.hash("correct horse").unwrap());

        assert_ne!(first, second);
        assert!(first.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let hash = PasswordHash::new(first.as_str()).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &hash).is_ok());
        assert!(Argon2::default().verify_password(b"battery staple", &hash).is_err());
    }
}
