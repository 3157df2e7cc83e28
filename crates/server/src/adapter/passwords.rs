//! Passwords, hashed where nobody waits: on threads of their own, a few at a time.

use async_trait::async_trait;
use tokio::{sync::Semaphore, task};
use turbocat_application::{Argon2Hasher, Match, PasswordError, PasswordHasher, Passwords};
use turbocat_domain::value::SecretHash;

/// Each takes 19 MiB and a core for tens of milliseconds: this many at once, the others wait.
const AT_ONCE: usize = 2;

/// Hashes with Argon2id.
#[derive(Debug)]
pub(crate) struct BlockingPasswords {
    permits: Semaphore,
}

impl Default for BlockingPasswords {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_ONCE) }
    }
}

impl BlockingPasswords {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let failed = |reason: String| PasswordError { reason };
        let _permit = self.permits.acquire().await.map_err(|error| failed(error.to_string()))?;
        task::spawn_blocking(work).await.map_err(|error| failed(error.to_string()))
    }
}

#[async_trait]
impl Passwords for BlockingPasswords {
    async fn hash(&self, password: String) -> Result<SecretHash, PasswordError> {
        self.run(move || Argon2Hasher.hash(&password)).await?
    }

    async fn compare(&self, password: String, hash: Option<SecretHash>) -> Result<Match, PasswordError> {
        self.run(move || Argon2Hasher.compare(&password, hash.as_ref())).await
    }
}
