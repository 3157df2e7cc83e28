//! Hashing of passwords, and which are taken.

use argon2::{
    Argon2, PasswordHasher as _,
    password_hash::{PasswordVerifier, phc::PasswordHash},
};
use async_trait::async_trait;
use turbocat_domain::{limits, problem::Problem, value::SecretHash};

/// The passwords that are guessed first, in lower case, one a line. `password/README.md` says where they are from.
const COMMON: &str = include_str!("password/common.txt");

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {reason}")]
pub struct PasswordError {
    /// What went wrong.
    pub reason: String,
}

/// How a password compares with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is of an older kind: it is to be hashed anew.
    RightButOld,
}

/// Hashes passwords. It takes tens of milliseconds on purpose: do not call it where others wait.
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with a new salt, as a PHC string.
    ///
    /// # Errors
    ///
    /// [`PasswordError`] if the password has a length that the algorithm does not take, or there is no randomness.
    fn hash(&self, password: &str) -> Result<SecretHash, PasswordError>;

    /// Compares a password with a hash. Without one it takes the same time and is wrong: who asks cannot tell an
    /// account that is not there from a password that is wrong.
    fn compare(&self, password: &str, hash: Option<&SecretHash>) -> Match;
}

/// The same, for those who wait for each other: at most a few at once, and never on a thread that serves others.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// As [`PasswordHasher::hash`].
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    async fn hash(&self, password: String) -> Result<SecretHash, PasswordError>;

    /// As [`PasswordHasher::compare`].
    ///
    /// # Errors
    ///
    /// [`PasswordError`] if it could not be compared.
    async fn compare(&self, password: String, hash: Option<SecretHash>) -> Result<Match, PasswordError>;
}

/// What is compared with where there is no hash: of a password that nobody has.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$dHVyYm9jYXQtbm9ib2R5$0Zp1mZfWcnxP1oGm9bTn2J0qbnE2cZb5n3F6dQZ7s2Q";

/// Argon2id, with the parameters that OWASP recommends (19 MiB, two passes). It knows the bcrypt hashes of older
/// systems too.
#[derive(Debug, Default, Clone, Copy)]
pub struct Argon2Hasher;

impl PasswordHasher for Argon2Hasher {
    fn hash(&self, password: &str) -> Result<SecretHash, PasswordError> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| SecretHash::new(hash.to_string())).map_err(|error| PasswordError { reason: error.to_string() })
    }

    fn compare(&self, password: &str, hash: Option<&SecretHash>) -> Match {
        let Some(hash) = hash else {
            let _nobodys = is_argon2_of(password, NOBODYS);
            return Match::Wrong;
        };
        if hash.as_str().starts_with("$2") {
            let is_right = bcrypt::verify(password, hash.as_str()).unwrap_or(false);
            return if is_right { Match::RightButOld } else { Match::Wrong };
        }
        if is_argon2_of(password, hash.as_str()) { Match::Right } else { Match::Wrong }
    }
}

fn is_argon2_of(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What is wrong with a new password, if anything is.
pub(crate) fn refusal(password: &str) -> Option<Problem> {
    let refuse = |message: String| Some(Problem::new("invalid_password", "password", message));
    if password.chars().count() < limits::PASSWORD_CHARS_MIN {
        return refuse(format!("it needs at least {} characters", limits::PASSWORD_CHARS_MIN));
    }
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return refuse(format!("it may have at most {} bytes", limits::PASSWORD_BYTES_MAX));
    }
    if is_common(password) {
        let message = "it is one of the most common passwords: choose one that nobody would guess";
        return Some(Problem::new("common_password", "password", message));
    }
    None
}

/// Whether it is among the passwords that are guessed first, in whatever case.
fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    COMMON.lines().any(|common| common == password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_never_the_same_twice() {
        let (first, second) =
            (Argon2Hasher.hash("correct horse").unwrap(), Argon2Hasher.hash("correct horse").unwrap());

        assert_ne!(first, second);
        assert!(first.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(Argon2Hasher.compare("correct horse", Some(&first)), Match::Right);
        assert_eq!(Argon2Hasher.compare("battery staple", Some(&first)), Match::Wrong);
    }

    #[test]
    fn a_hash_of_an_older_system_is_known_and_old() {
        let old = SecretHash::new(bcrypt::hash("correct horse", 4).unwrap());

        assert_eq!(Argon2Hasher.compare("correct horse", Some(&old)), Match::RightButOld);
        assert_eq!(Argon2Hasher.compare("battery staple", Some(&old)), Match::Wrong);
        assert_eq!(Argon2Hasher.compare("x", Some(&SecretHash::new("nonsense"))), Match::Wrong);
    }

    #[test]
    fn nobody_has_a_password_and_it_is_compared_all_the_same() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();

        assert_eq!(nobodys.params.get_decimal("m"), Some(19_456), "it costs what a real one costs");
        assert_eq!(Argon2Hasher.compare("anything", None), Match::Wrong);
    }

    #[test]
    fn a_password_is_long_enough_and_not_endless() {
        assert!(refusal("correct").is_some() && refusal("correct ").is_none());
        assert!(refusal(&"x".repeat(256)).is_none() && refusal(&"x".repeat(257)).is_some());
    }

    #[test]
    fn the_three_thousand_most_common_passwords_are_refused_in_any_case() {
        let common: Vec<&str> = COMMON.lines().collect();
        assert_eq!(common.len(), 3_000);
        assert!(common.is_sorted() && common.iter().all(|one| one.to_lowercase() == **one), "as they are compared");
        assert!(common.iter().all(|one| one.len() >= limits::PASSWORD_CHARS_MIN), "shorter ones are refused anyhow");

        for password in ["password", "Password", "12345678", "QWERTYUIOP", "trustno1"] {
            assert_eq!(refusal(password).map(|problem| problem.code), Some("common_password"), "{password}");
        }
        for password in ["correct horse", "password of mine", " 12345678"] {
            assert_eq!(refusal(password), None, "{password}");
        }
    }
}
