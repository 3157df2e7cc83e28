//! Secrets of users: set, listed by name, deleted, and put under a new key. A value goes in and never comes out here;
//! [`StoredSecrets`] opens it for an agent of its owner's execution.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_domain::{
    id::{SecretId, UserId},
    permission::Permission,
    port::{CipherError, Queries, RepositoryError, RevealedSecret, SecretCipher, SecretVault},
    problem::{Problem, Problems},
    secret::{self, StoredSecret},
    step_run::StepError,
    value::SecretName,
};

use crate::{
    Access, Actor, Error, Origin, Result,
    audit::{Audited, Changes},
    library::{missing, named},
};

const SECRET: &str = "secret";
/// How many secrets are put under a new key between two looks.
const RESEAL_BATCH: u16 = 100;

/// A secret that is to be set.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// What it is called.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The hosts that it may be sent to; without any it is for code agents alone.
    pub hosts: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    pub owner: Option<UserId>,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, hosts, owner, .. } = self;
        f.debug_struct("NewSecret")
            .field("name", name)
            .field("hosts", hosts)
            .field("owner", owner)
            .finish_non_exhaustive()
    }
}

/// What may be told of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its id.
    pub id: SecretId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: SecretName,
    /// The hosts that it may be sent to.
    pub hosts: Vec<String>,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When its value was last set.
    pub updated_at: DateTime<Utc>,
}

/// What became of the secrets when the key was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that all are under now.
    pub key_id: String,
    /// How many were put under it.
    pub resealed: u64,
}

impl From<StoredSecret> for SecretInfo {
    fn from(secret: StoredSecret) -> Self {
        let StoredSecret { id, user_id, name, hosts, created_at, updated_at, .. } = secret;
        Self { id, user_id, name, hosts, created_at, updated_at }
    }
}

impl Access {
    /// Sets a secret; one of the same name gets the new value and hosts.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all that is wrong with it; [`Error::NotFound`] if there is no such owner.
    pub async fn set_secret(&self, actor: Actor, wanted: NewSecret, origin: &Origin) -> Result<SecretInfo> {
        actor.ensure(Permission::SecretsWrite)?;
        let use_cases = self.use_cases().on_behalf_of(origin);
        let (owner, now) = (self.secret_owner(actor, wanted.owner).await?, use_cases.ports.clock.now());
        let (name, hosts) = checked(&wanted)?;
        let sealed = self.cipher().seal(&StoredSecret::binding(owner, &name), &wanted.value)?;
        let id = SecretId::from_uuid(use_cases.ports.ids.next());
        let mut secret = StoredSecret { id, user_id: owner, name, hosts, sealed, created_at: now, updated_at: now };
        let before = self.find_secret(owner, secret.name.as_str()).await?;
        let mut uow = use_cases.ports.store.begin().await?;
        secret.id = uow.secrets().put(&secret).await?;
        let hosts = before.as_ref().map(|before| before.hosts.clone());
        let entry = Audited {
            user: Some(actor.id),
            action: "secret.set",
            resource_type: SECRET,
            resource: Some(secret.id.as_uuid()),
            changes: Changes::default()
                .field("name", before.as_ref().map(|before| before.name.to_string()), secret.name.as_str())
                .field("hosts", hosts, secret.hosts.clone())
                .field("user_id", before.as_ref().map(|_| owner.to_string()), owner.to_string()),
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        let created_at = before.map_or(now, |before| before.created_at);
        Ok(StoredSecret { created_at, ..secret }.into())
    }

    /// The secrets of a user by name, at most so many, after this name: of who asks, unless an administrator names
    /// another.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for somebody else's.
    pub async fn secrets(
        &self,
        actor: Actor,
        owner: Option<UserId>,
        (after, limit): (&str, u16),
    ) -> Result<Vec<SecretInfo>> {
        actor.ensure(Permission::SecretsRead)?;
        let owner = self.secret_owner(actor, owner).await?;
        let found = self.use_cases().ports.queries.secrets().list(owner, after, limit).await?;
        Ok(found.into_iter().map(SecretInfo::from).collect())
    }

    /// Deletes a secret, for good.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none.
    pub async fn delete_secret(
        &self,
        actor: Actor,
        (owner, name): (Option<UserId>, &str),
        origin: &Origin,
    ) -> Result<()> {
        actor.ensure(Permission::SecretsWrite)?;
        let owner = self.secret_owner(actor, owner).await?;
        let found = self.find_secret(owner, name).await?.ok_or_else(|| missing(SECRET, name))?;
        self.delete_found(actor, found, origin).await
    }

    /// Deletes a secret by its id, for good.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn delete_secret_by_id(&self, actor: Actor, id: SecretId, origin: &Origin) -> Result<()> {
        actor.ensure(Permission::SecretsWrite)?;
        match self.use_cases().ports.queries.secrets().get(id).await {
            Ok(found) if actor.sees(found.user_id) => self.delete_found(actor, found, origin).await,
            Ok(_) => Err(missing(SECRET, id)),
            Err(error) => Err(named(error, SECRET, id)),
        }
    }

    async fn delete_found(&self, actor: Actor, found: StoredSecret, origin: &Origin) -> Result<()> {
        let use_cases = self.use_cases().on_behalf_of(origin);
        let mut uow = use_cases.ports.store.begin().await?;
        uow.secrets().delete(found.id).await.map_err(|error| named(error, SECRET, &found.name))?;
        let entry = Audited {
            user: Some(actor.id),
            action: "secret.deleted",
            resource_type: SECRET,
            resource: Some(found.id.as_uuid()),
            changes: Changes::default().field("name", found.name.as_str(), json!(null)),
        };
        use_cases.note(uow.as_mut(), entry, use_cases.ports.clock.now()).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Puts all secrets of all users under a new key. Until it is done, and after it was interrupted, those under the
    /// keys before can be opened too; called again, it begins anew.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for who is no administrator; [`Error::Cipher`] if a secret cannot be opened: it stays as
    /// it is.
    pub async fn rotate_secrets(&self, actor: Actor, origin: &Origin) -> Result<Rotation> {
        actor.ensure(Permission::SecretsWrite)?;
        if !actor.sees_all() {
            return Err(Error::Forbidden { permission: Permission::SecretsWrite });
        }
        let (before, key_id) = (self.cipher().current()?, self.cipher().rotate()?);
        let use_cases = self.use_cases().on_behalf_of(origin);
        let mut resealed = 0;
        loop {
            let found = use_cases.ports.queries.secrets().list_under_others(&key_id, RESEAL_BATCH).await?;
            if found.is_empty() {
                break;
            }
            for secret in &found {
                resealed += u64::from(self.reseal(secret).await?);
            }
        }
        let entry = Audited {
            user: Some(actor.id),
            action: "secret.rotated",
            resource_type: SECRET,
            resource: None,
            changes: Changes::default().field("key_id", before, key_id.as_str()).field(
                "resealed",
                json!(null),
                resealed,
            ),
        };
        let mut uow = use_cases.ports.store.begin().await?;
        use_cases.note(uow.as_mut(), entry, use_cases.ports.clock.now()).await?;
        uow.commit().await?;
        Ok(Rotation { key_id, resealed })
    }

    /// Puts one secret under the key of now; `false` if it was set or deleted meanwhile.
    async fn reseal(&self, secret: &StoredSecret) -> Result<bool> {
        let binding = StoredSecret::binding(secret.user_id, &secret.name);
        let value = self.cipher().open(&binding, &secret.sealed)?;
        let sealed = self.cipher().seal(&binding, &value)?;
        let mut uow = self.use_cases().ports.store.begin().await?;
        match uow.secrets().reseal(secret.id, &secret.sealed, &sealed).await {
            Ok(()) => {}
            Err(RepositoryError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        uow.commit().await?;
        Ok(true)
    }

    async fn find_secret(&self, owner: UserId, name: &str) -> Result<Option<StoredSecret>> {
        let found = self.use_cases().ports.queries.secrets().find(owner, &[name.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    /// Whose secrets are meant; somebody else is nobody, unless an administrator asks.
    async fn secret_owner(&self, actor: Actor, wanted: Option<UserId>) -> Result<UserId> {
        let Some(id) = wanted.filter(|id| *id != actor.id) else { return Ok(actor.id) };
        if !actor.sees(id) {
            return Err(missing("user", id));
        }
        match self.use_cases().ports.queries.users().get(id).await {
            Ok(user) => Ok(user.id),
            Err(error) => Err(named(error, "user", id)),
        }
    }
}

/// The name and the hosts of a secret, or all that is wrong with it. No message says anything of the value but its
/// length.
fn checked(wanted: &NewSecret) -> Result<(SecretName, Vec<String>)> {
    let mut problems = Problems::default();
    let name = SecretName::parse(wanted.name.clone());
    if let Err(error) = &name {
        problems.add("invalid_name", "name", error.to_string());
    }
    let (bytes, min, max) = (wanted.value.len(), secret::VALUE_BYTES_MIN, secret::VALUE_BYTES_MAX);
    if !(min..=max).contains(&bytes) {
        let message =
            format!("it has {bytes} bytes: {min} to {max} are allowed (a shorter one could not be kept out of logs)");
        problems.add("out_of_range", "value", message);
    }
    if wanted.value.contains('\0') {
        problems.add("invalid_text", "value", "it holds a NUL character");
    }
    if wanted.hosts.len() > secret::HOSTS_MAX {
        problems.add("out_of_range", "hosts", format!("at most {} hosts are allowed", secret::HOSTS_MAX));
    }
    let mut hosts = Vec::new();
    for (index, text) in wanted.hosts.iter().enumerate() {
        match secret::parse_host(text) {
            Some(host) if !hosts.contains(&host) => hosts.push(host),
            Some(_) => {}
            None => {
                let message =
                    format!("`{text}` is no host: write it as `api.example.com`, without scheme, port and path");
                problems.push(Problem::new("invalid_host", format!("hosts[{index}]"), message));
            }
        }
    }
    match name {
        Ok(name) if problems.is_empty() => Ok((name, hosts)),
        _ => Err(Error::Invalid(problems)),
    }
}

/// Opens the secrets of the store for agents.
#[derive(Clone)]
pub struct StoredSecrets {
    queries: Arc<dyn Queries>,
    cipher: Arc<dyn SecretCipher>,
}

impl StoredSecrets {
    /// The secrets that are read here and opened so.
    #[must_use]
    pub fn new(queries: Arc<dyn Queries>, cipher: Arc<dyn SecretCipher>) -> Self {
        Self { queries, cipher }
    }

    fn open(&self, secret: StoredSecret) -> std::result::Result<RevealedSecret, CipherError> {
        let binding = StoredSecret::binding(secret.user_id, &secret.name);
        let value = self.cipher.open(&binding, &secret.sealed)?;
        Ok(RevealedSecret { name: secret.name.to_string(), value, hosts: secret.hosts })
    }
}

impl fmt::Debug for StoredSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecrets").finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretVault for StoredSecrets {
    async fn reveal(&self, owner: UserId, names: &[String]) -> std::result::Result<Vec<RevealedSecret>, StepError> {
        let found = self
            .queries
            .secrets()
            .find(owner, names)
            .await
            .map_err(|error| unavailable(error.is_transient(), "the secrets cannot be read now"))?;
        let opened = found.into_iter().map(|secret| {
            let name = secret.name.to_string();
            self.open(secret).map_err(|error| {
                let message =
                    format!("the secret `{name}` cannot be opened: {error}; set it again, or give the key back");
                StepError::permanent("secret_unreadable", message)
            })
        });
        opened.collect()
    }
}

fn unavailable(is_transient: bool, message: &str) -> StepError {
    let error = StepError::transient("secrets_unavailable", message);
    StepError { retryable: is_transient, ..error }
}
