//! Who asks: logins, sessions, API keys, and how often each may ask.
//!
//! One [`Access`] serves a process. It remembers who a key or a session belongs to for half a second, so that a
//! revocation is effective within one, and it hands the use of keys to the store about once a second.
//!
//! # Invariants
//!
//! 1. Neither the answer nor the time that it takes tells whether there is an account.
//! 2. A key never does more than its owner may, and no key makes another that may do more than itself.
//! 3. What was revoked, has expired, or belongs to who may not act, is refused within a second, in every process.
//! 4. A token that was sent to a user does one thing, once, for that account and address alone.

mod caller;
mod email_verification;
mod keys;
mod known;
mod login;
mod mail;
mod own_password;
mod password_reset;
mod rate;
mod token;

use std::sync::Arc;

use turbocat_domain::{
    port::{AccessLedger, Mailer, RateLimiter, SecretCipher},
    value::SecretHash,
};

pub(crate) use self::token::{deployment_hash, sha256_hex};
pub use self::{
    caller::{Caller, Credential, Via},
    keys::{IssuedKey, NewKey},
    login::{LogIn, LoggedIn},
    rate::RateState,
    token::{NoRandomness, SecretSource, Token},
};
use crate::{Passwords, UseCases};
use known::{Known, Uses};
use rate::Rates;

/// What access needs of the world besides the use cases' ports.
#[derive(Clone)]
pub struct AccessPorts {
    /// Counts per minute, over all processes.
    pub limiter: Arc<dyn RateLimiter>,
    /// Counts the use of keys.
    pub ledger: Arc<dyn AccessLedger>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Randomness for keys and tokens.
    pub secrets: Arc<dyn SecretSource>,
    /// Seals the secrets of users.
    pub cipher: Arc<dyn SecretCipher>,
    /// Writes to users.
    pub mailer: Arc<dyn Mailer>,
    /// Where users reach this server: what their mail names.
    pub public_url: String,
}

/// Who asks. Clones share what they remember.
#[derive(Clone)]
pub struct Access {
    use_cases: UseCases,
    ports: AccessPorts,
    memory: Arc<Memory>,
}

/// What a process remembers.
#[derive(Default)]
struct Memory {
    known: Known,
    uses: Uses,
    rates: Rates,
}

impl Access {
    /// Access over these use cases.
    #[must_use]
    pub fn new(use_cases: UseCases, ports: AccessPorts) -> Self {
        Self { use_cases, ports, memory: Arc::default() }
    }

    /// A new key for a deployment.
    pub(crate) fn new_deployment_token(&self) -> crate::Result<Token> {
        Ok(Token::new_deployment(self.ports.secrets.as_ref())?)
    }

    /// The use cases that it stands on.
    pub(crate) const fn use_cases(&self) -> &UseCases {
        &self.use_cases
    }

    /// Seals and opens secrets.
    pub(crate) fn cipher(&self) -> &Arc<dyn SecretCipher> {
        &self.ports.cipher
    }

    /// Whether users reach this server by TLS.
    #[must_use]
    pub fn is_public_by_tls(&self) -> bool {
        self.ports.public_url.starts_with("https://")
    }

    /// Forgets to whom credentials belong: something was changed here, and is to be effective here at once.
    pub(crate) fn forget(&self) {
        self.memory.known.forget();
    }

    /// Hashes a new password.
    pub(crate) async fn hash_password(&self, password: String) -> crate::Result<SecretHash> {
        Ok(self.ports.passwords.hash(password).await?)
    }

    /// Tells the store how often keys were used since the last time; call it about once a second, and at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage); nothing is lost then, the next call tells all of it.
    pub async fn flush(&self) -> crate::Result<()> {
        let uses = self.memory.uses.take();
        if let Err(error) = self.ports.ledger.record_uses(&uses).await {
            self.memory.uses.put_back(&uses);
            return Err(error.into());
        }
        Ok(())
    }

    /// Forgets in the store what has had its time; call it now and then.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage).
    pub async fn prune(&self) -> crate::Result<u64> {
        Ok(self.ports.ledger.prune().await?)
    }
}
