//! Making, listing and revoking API keys.

use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_domain::{
    api_key::{ApiKey, NewApiKey},
    id::{ApiKeyId, UserId},
    limits,
    permission::{Permission, PermissionSet},
    port::{Page, PageRequest, RepositoryError},
    problem::{Problem, Problems},
    user::User,
    value::{Name, Scope},
};

use super::{Access, Token};
use crate::{
    Actor, Error, Origin, Result,
    audit::{Audited, Changes},
};

/// A key that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    pub owner: Option<UserId>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// The requests that it may make in a minute; 60 without.
    pub rate_limit_per_minute: Option<u32>,
}

/// A key, with the secret that is shown once.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// The key.
    pub key: ApiKey,
    /// The secret.
    pub token: Token,
}

impl Access {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all that is wrong with what is wanted; [`Error::Forbidden`] if it could do more than
    /// who asks; [`Error::NotFound`] if there is no such owner.
    pub async fn create_key(&self, actor: Actor, wanted: NewKey, origin: &Origin) -> Result<IssuedKey> {
        actor.ensure(Permission::KeysWrite)?;
        let now = self.use_cases.ports.clock.now();
        let owner = self.key_owner(actor, wanted.owner).await?;
        let token = Token::new_key(self.ports.secrets.as_ref())?;
        let key = self.checked(&wanted, (&owner, &token), now)?;
        let could = PermissionSet::of_scopes(&key.scopes).intersection(PermissionSet::of_role(owner.role));
        if let Some(permission) = could.iter().find(|permission| !actor.may(*permission)) {
            return Err(Error::Forbidden { permission });
        }
        let use_cases = self.use_cases.on_behalf_of(origin);
        let mut uow = use_cases.ports.store.begin().await?;
        uow.api_keys().insert(&key).await?;
        let scopes = key.scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let entry = Audited {
            user: Some(actor.id),
            action: "api_key.created",
            resource_type: "api_key",
            resource: Some(key.id.as_uuid()),
            changes: Changes::default()
                .field("name", json!(null), key.name.as_str())
                .field("key_prefix", json!(null), key.key_prefix.as_str())
                .field("scopes", json!(null), scopes)
                .field("user_id", json!(null), key.user_id.to_string()),
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        Ok(IssuedKey { key, token })
    }

    /// The keys of a user: of who asks, unless an administrator names another.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::NotFound`] for somebody else's.
    pub async fn keys(&self, actor: Actor, owner: Option<UserId>, page: PageRequest) -> Result<Page<ApiKey>> {
        actor.ensure(Permission::KeysRead)?;
        let owner = owner.unwrap_or(actor.id);
        if !actor.sees(owner) {
            return Err(Error::NotFound { entity: "user", name: owner.to_string() });
        }
        Ok(self.use_cases.ports.queries.api_keys().list(owner, page).await?)
    }

    /// One key.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn key(&self, actor: Actor, id: ApiKeyId) -> Result<ApiKey> {
        actor.ensure(Permission::KeysRead)?;
        self.own_key(actor, id).await
    }

    /// Revokes a key, for good: here at once, in other processes within a second.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn revoke_key(&self, actor: Actor, id: ApiKeyId, origin: &Origin) -> Result<()> {
        actor.ensure(Permission::KeysWrite)?;
        let key = self.own_key(actor, id).await?;
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let mut uow = use_cases.ports.store.begin().await?;
        uow.api_keys().delete(key.id, now).await?;
        let revoked = (actor.id, "api_key.revoked", "api_key", key.id.as_uuid());
        use_cases.audit(uow.as_mut(), revoked, now).await?;
        uow.commit().await?;
        self.memory.known.forget();
        Ok(())
    }

    async fn own_key(&self, actor: Actor, id: ApiKeyId) -> Result<ApiKey> {
        match self.use_cases.ports.queries.api_keys().get(id).await {
            Ok(key) if actor.sees(key.user_id) => Ok(key),
            Ok(_) | Err(RepositoryError::NotFound { .. }) => {
                Err(Error::NotFound { entity: "API key", name: id.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn key_owner(&self, actor: Actor, wanted: Option<UserId>) -> Result<User> {
        let id = wanted.unwrap_or(actor.id);
        let missing = || Error::NotFound { entity: "user", name: id.to_string() };
        if !actor.sees(id) {
            return Err(missing());
        }
        match self.use_cases.ports.queries.users().get(id).await {
            Ok(user) => Ok(user),
            Err(RepositoryError::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// The key that is wanted, or all that is wrong with it.
    fn checked(&self, wanted: &NewKey, (owner, token): (&User, &Token), now: DateTime<Utc>) -> Result<ApiKey> {
        let mut problems = Problems::default();
        let name = Name::parse(wanted.name.clone());
        if let Err(error) = &name {
            problems.add("invalid_name", "name", error.to_string());
        }
        let scopes = check_scopes(&wanted.scopes, &mut problems);
        if wanted.expires_at.is_some_and(|end| end <= now) {
            problems.add("invalid_time", "expires_at", "it is past already");
        }
        let rate_limit_per_minute = wanted.rate_limit_per_minute.unwrap_or(limits::RATE_PER_MINUTE_DEFAULT);
        if !(1..=limits::RATE_PER_MINUTE_MAX).contains(&rate_limit_per_minute) {
            let message = format!("it must be from 1 to {}", limits::RATE_PER_MINUTE_MAX);
            problems.add("out_of_range", "rate_limit_per_minute", message);
        }
        let (Ok(name), true) = (name, problems.is_empty()) else { return Err(Error::Invalid(problems)) };
        let new = NewApiKey {
            id: ApiKeyId::from_uuid(self.use_cases.ports.ids.next()),
            user_id: owner.id,
            name,
            key_hash: token.hash(),
            key_prefix: token.prefix(),
        };
        Ok(ApiKey { scopes, expires_at: wanted.expires_at, rate_limit_per_minute, ..ApiKey::new(new, now) })
    }
}

/// Reads scopes; one that names nothing is a mistake, and a key without any could do nothing.
fn check_scopes(texts: &[String], problems: &mut Problems) -> Vec<Scope> {
    let mut scopes = Vec::new();
    if texts.is_empty() {
        problems.add("required", "scopes", "it needs at least one scope");
    }
    for (index, text) in texts.iter().enumerate() {
        let path = format!("scopes[{index}]");
        match Scope::parse(text.clone()) {
            Ok(scope) if PermissionSet::of_scopes(std::slice::from_ref(&scope)).is_empty() => {
                let known: Vec<&str> = Permission::ALL.into_iter().map(Permission::as_str).collect();
                let message = format!("`{text}` is no permission: expected one of {}", known.join(", "));
                problems.push(Problem::new("unknown_scope", path, message));
            }
            Ok(scope) if !scopes.contains(&scope) => scopes.push(scope),
            Ok(_) => {}
            Err(error) => problems.add("invalid_scope", path, error.to_string()),
        }
    }
    scopes
}
