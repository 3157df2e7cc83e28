//! Accounts, keys and secrets.

use std::pin::pin;

use anyhow::{Context, bail};
use futures_util::{TryStreamExt, future};
use turbocat_application::{NewAccount, NewKey as WantedKey, NewSecret as WantedSecret, Rotation};
use turbocat_client::{
    ApiKey, Client, IssuedKey, KeyQuery, NewKey, NewSecret, NewUser, Secret, SecretQuery, User, UserQuery,
};
use turbocat_domain::{
    id::{ApiKeyId, UserId},
    port::{PageRequest, UserFilter},
};

use super::{Desk, Office, origin, seen, seen_all};

/// The most keys that are listed, and secrets that are read at once.
const PAGE: u16 = 200;

impl Desk {
    /// Makes an account.
    pub(crate) async fn create_user(&self, wanted: NewUser) -> anyhow::Result<User> {
        match self {
            Self::Database(office) => {
                let NewUser { email, full_name, role, password } = wanted;
                let wanted = NewAccount { email, full_name, role: role.unwrap_or_default(), password };
                seen(office.app.access.create_user(office.actor, wanted, &origin()).await?)
            }
            Self::Server(client) => Ok(client.create_user(&wanted).await?),
        }
    }

    /// The newest accounts.
    pub(crate) async fn users(&self, limit: u16) -> anyhow::Result<Vec<User>> {
        match self {
            Self::Database(office) => {
                let page = PageRequest { limit, after: None };
                seen_all(office.app.access.users(office.actor, &UserFilter::default(), page).await?.items)
            }
            Self::Server(client) => {
                let query = UserQuery { limit: Some(limit), ..UserQuery::default() };
                Ok(client.users(&query).await?.items)
            }
        }
    }

    /// The account with an address, if one is named.
    pub(crate) async fn owner(&self, email: Option<&str>) -> anyhow::Result<Option<UserId>> {
        match (self, email) {
            (Self::Database(office), email) => office.owner(email).await,
            (Self::Server(client), Some(email)) => Ok(Some(user_by_email(client, email).await.context("--user")?)),
            (Self::Server(_), None) => Ok(None),
        }
    }

    /// Makes a key.
    pub(crate) async fn create_key(&self, wanted: NewKey) -> anyhow::Result<IssuedKey> {
        match self {
            Self::Database(office) => {
                let NewKey { name, scopes, user_id: owner, expires_at, rate_limit_per_minute } = wanted;
                let wanted = WantedKey { name, scopes, owner, expires_at, rate_limit_per_minute };
                seen(office.app.access.create_key(office.actor, wanted, &origin()).await?)
            }
            Self::Server(client) => Ok(client.create_key(&wanted).await?),
        }
    }

    /// The newest keys of a user.
    pub(crate) async fn keys(&self, owner: Option<UserId>) -> anyhow::Result<Vec<ApiKey>> {
        match self {
            Self::Database(office) => {
                let page = PageRequest { limit: PAGE, after: None };
                seen_all(office.app.access.keys(office.actor, owner, page).await?.items)
            }
            Self::Server(client) => {
                let query = KeyQuery { user_id: owner, limit: Some(PAGE), after: None };
                Ok(client.keys(&query).await?.items)
            }
        }
    }

    /// Revokes a key.
    pub(crate) async fn revoke_key(&self, id: ApiKeyId) -> anyhow::Result<()> {
        match self {
            Self::Database(office) => Ok(office.app.access.revoke_key(office.actor, id, &origin()).await?),
            Self::Server(client) => Ok(client.revoke_key(id).await?),
        }
    }

    /// Sets a secret.
    pub(crate) async fn set_secret(&self, wanted: NewSecret) -> anyhow::Result<Secret> {
        match self {
            Self::Database(office) => {
                let NewSecret { name, value, hosts, user_id: owner } = wanted;
                let wanted = WantedSecret { name, value, hosts, owner };
                seen(office.app.access.set_secret(office.actor, wanted, &origin()).await?)
            }
            Self::Server(client) => Ok(client.set_secret(&wanted).await?),
        }
    }

    /// All secrets of a user, by name.
    pub(crate) async fn secrets(&self, owner: Option<UserId>) -> anyhow::Result<Vec<Secret>> {
        match self {
            Self::Database(office) => office.secrets(owner).await,
            Self::Server(client) => Ok(client.all_secrets(all_of(owner)).try_collect().await?),
        }
    }

    /// Deletes a secret.
    pub(crate) async fn delete_secret(&self, owner: Option<UserId>, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Database(office) => {
                Ok(office.app.access.delete_secret(office.actor, (owner, name), &origin()).await?)
            }
            Self::Server(client) => {
                let found = client.all_secrets(all_of(owner));
                let mut found = pin!(found.try_filter(|secret| future::ready(secret.name == name)));
                let secret = found.try_next().await?.with_context(|| format!("there is no secret `{name}`"))?;
                Ok(client.delete_secret(secret.id).await?)
            }
        }
    }

    /// Puts all secrets under a new key.
    pub(crate) async fn rotate_secrets(&self) -> anyhow::Result<Rotation> {
        match self {
            Self::Database(office) => Ok(office.app.access.rotate_secrets(office.actor, &origin()).await?),
            Self::Server(_) => bail!(
                "the key of the secrets is on the machine of the server and no server takes it: run `turbocat secrets \
                 rotate` there, without --server and TURBOCAT_SERVER"
            ),
        }
    }
}

impl Office {
    async fn secrets(&self, owner: Option<UserId>) -> anyhow::Result<Vec<Secret>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.app.access.secrets(self.actor, owner, (&after, PAGE)).await?;
            let next = page.last().filter(|_| page.len() == usize::from(PAGE)).map(|last| last.name.to_string());
            all.extend(page);
            match next {
                Some(next) => after = next,
                None => return seen_all(all),
            }
        }
    }
}

fn all_of(owner: Option<UserId>) -> SecretQuery {
    SecretQuery { user_id: owner, limit: Some(PAGE), after: None }
}

/// One's own account is always found; those of others by who may list them.
async fn user_by_email(client: &Client, email: &str) -> anyhow::Result<UserId> {
    let is_meant = |user: &User| user.email.eq_ignore_ascii_case(email.trim());
    let me = client.me().await?.user;
    if is_meant(&me) {
        return Ok(me.id);
    }
    let all = client.all_users(UserQuery { limit: Some(PAGE), ..UserQuery::default() });
    let mut found = pin!(all.try_filter(|user| future::ready(is_meant(user))));
    Ok(found.try_next().await?.with_context(|| format!("there is no user `{email}`"))?.id)
}
