//! The secrets of users: kept sealed, and opened for one call at a time.

use std::fmt;

use async_trait::async_trait;

use super::Result;
use crate::{
    id::{SecretId, UserId},
    secret::{Sealed, StoredSecret},
    step_run::StepError,
};

/// The secrets, in a unit of work.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SecretRepository: Send {
    /// Sets a secret. One of the same owner and name gets the new value, hosts and `updated_at`, and keeps its id and
    /// `created_at`. Returns the id that it has.
    async fn put(&mut self, secret: &StoredSecret) -> Result<SecretId>;
    /// Puts the same value under another key. MUST be refused with `Conflict` when it is not sealed as it was seen:
    /// a value that was set meanwhile is never undone. It does not count as a change.
    async fn reseal(&mut self, id: SecretId, seen: &Sealed, sealed: &Sealed) -> Result<()>;
    /// Deletes a secret, for good; `NotFound` if there is none.
    async fn delete(&mut self, id: SecretId) -> Result<()>;
}

/// Reads secrets, sealed.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SecretQueries: Send + Sync {
    /// The secret; `NotFound` if there is none.
    async fn get(&self, id: SecretId) -> Result<StoredSecret>;
    /// The secrets of an owner that have these names; names of which there is none are left out.
    async fn find<'a>(&self, owner: UserId, names: &'a [String]) -> Result<Vec<StoredSecret>>;
    /// The secrets of an owner by name, at most so many, after this name.
    async fn list<'a>(&self, owner: UserId, after: &'a str, limit: u16) -> Result<Vec<StoredSecret>>;
    /// Some secrets, of anybody, that are sealed under another key than this one.
    async fn list_under_others<'a>(&self, key_id: &'a str, limit: u16) -> Result<Vec<StoredSecret>>;
}

/// A secret that was opened for one call.
#[derive(Clone, PartialEq, Eq)]
pub struct RevealedSecret {
    /// What it is called.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The hosts that it may be sent to.
    pub hosts: Vec<String>,
}

impl fmt::Debug for RevealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevealedSecret").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Opens secrets for agents.
#[async_trait]
pub trait SecretVault: fmt::Debug + Send + Sync {
    /// The secrets of an owner that have these names; names of which there is none are left out.
    ///
    /// # Errors
    ///
    /// A [`StepError`] if they cannot be read now (another attempt may help), or not be opened at all.
    async fn reveal(&self, owner: UserId, names: &[String]) -> std::result::Result<Vec<RevealedSecret>, StepError>;
}

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CipherError {
    /// There is no such key here.
    #[error("the key `{0}` of the secrets is not here")]
    UnknownKey(String),
    /// What was sealed is not what is to be opened, or was sealed for something else.
    #[error("a secret was changed, or belongs to something else")]
    Forged,
    /// The keys cannot be read or made.
    #[error("{0}")]
    Keys(String),
}

/// Seals and opens the values of secrets. What was sealed for one binding cannot be opened for another.
pub trait SecretCipher: fmt::Debug + Send + Sync {
    /// The id of the key that values are sealed under now.
    ///
    /// # Errors
    ///
    /// [`CipherError::Keys`].
    fn current(&self) -> std::result::Result<String, CipherError>;
    /// Makes a new key, under which values are sealed from now on, and returns its id. The keys before open what was
    /// sealed under them. Where keys are given from outside nothing is made, and the first of them is told.
    ///
    /// # Errors
    ///
    /// [`CipherError::Keys`].
    fn rotate(&self) -> std::result::Result<String, CipherError>;
    /// Seals a value.
    ///
    /// # Errors
    ///
    /// [`CipherError::Keys`].
    fn seal(&self, binding: &str, value: &str) -> std::result::Result<Sealed, CipherError>;
    /// Opens a value.
    ///
    /// # Errors
    ///
    /// [`CipherError`].
    fn open(&self, binding: &str, sealed: &Sealed) -> std::result::Result<String, CipherError>;
}
