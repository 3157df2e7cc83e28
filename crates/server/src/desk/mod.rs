//! Where commands are done: on a database, or through the API of a server. What comes back is the same either way, what
//! the API shows, so a command is written once and prints the same.

mod access;
mod budgets;
mod deployments;
mod documents;
mod executions;
mod waiting;

use std::env;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use turbocat_application::{Actor, Origin};
use turbocat_client::Client;
use turbocat_domain::id::UserId;
use turbocat_http::Shown;

pub(crate) use self::documents::RefusedDocuments;
use crate::{args::GlobalArgs, command::seed_all, wire::App};

/// The key of the API: not an option, because the command line of a process can be seen by others.
const KEY_VARIABLE: &str = "TURBOCAT_API_KEY";
/// What the server's audit log says of who asks.
const USER_AGENT: &str = concat!("turbocat-cli/", env!("CARGO_PKG_VERSION"));

/// Where commands are done.
pub(crate) enum Desk {
    /// On a database, as its administrator: who can start the binary on it is that.
    Database(Box<Office>),
    /// Through the API of a server, as whoever the key belongs to.
    Server(Client),
}

/// The use cases on a database, and who asks.
pub(crate) struct Office {
    pub(crate) app: App,
    pub(crate) actor: Actor,
}

impl Desk {
    /// On a database whose schema is current. Looking makes nothing.
    ///
    /// # Errors
    ///
    /// As [`Office::looking`].
    pub(crate) async fn looking(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        Ok(Self::Database(Box::new(Office::looking(url, global).await?)))
    }

    /// On a database that is brought up to date, with an administrator.
    ///
    /// # Errors
    ///
    /// As [`Office::prepared`].
    pub(crate) async fn prepared(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        Ok(Self::Database(Box::new(Office::prepared(url, global).await?)))
    }

    /// Closes what is open.
    pub(crate) async fn close(self) {
        match self {
            Self::Database(office) => office.app.store.close().await,
            Self::Server(_) => {}
        }
    }
}

impl Office {
    /// On a database whose schema is current. Looking makes nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or there is no account yet.
    pub(crate) async fn looking(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        let app = App::connect(url, global).await?;
        let actor = app.use_cases.administrator().await?.context("there is no account yet: run `turbocat seed`")?;
        Ok(Self { app, actor })
    }

    /// On a database that is brought up to date, with an administrator.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or is not safe.
    pub(crate) async fn prepared(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        let app = App::prepare(url, global).await?;
        let actor = seed_all(&app).await?;
        Ok(Self { app, actor })
    }

    /// The account with an address, if one is named.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) async fn owner(&self, email: Option<&str>) -> anyhow::Result<Option<UserId>> {
        let Some(email) = email else { return Ok(None) };
        Ok(Some(self.app.access.user_by_email(self.actor, email).await.context("--user")?.id))
    }

    /// Another process may wait for what was done; it looks by itself, only later.
    async fn hint(&self) -> anyhow::Result<()> {
        Ok(self.app.store.hint().await?)
    }
}

/// A client of a server, with the key of the environment. Nothing is asked yet.
///
/// # Errors
///
/// If the address is none, there is no key, or a database is named as well.
pub(crate) fn client(server: &str, global: &GlobalArgs) -> anyhow::Result<Client> {
    if global.database_url().is_some() {
        bail!(
            "a server and a database are named: leave --server (TURBOCAT_SERVER) or --database-url (DATABASE_URL) out"
        );
    }
    let key = env::var(KEY_VARIABLE).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let key = key.with_context(|| {
        format!("there is no key for the server: set {KEY_VARIABLE} to one, `turbocat keys create` makes it there")
    })?;
    Ok(Client::builder(server).api_key(key).user_agent(USER_AGENT).build()?)
}

/// A thing of the database as the API shows it.
pub(crate) fn seen<T: DeserializeOwned>(thing: impl Shown) -> anyhow::Result<T> {
    serde_json::from_value(thing.shown()).context("this version does not know its own answer")
}

/// The same for many.
fn seen_all<T: DeserializeOwned>(things: impl IntoIterator<Item = impl Shown>) -> anyhow::Result<Vec<T>> {
    things.into_iter().map(seen).collect()
}

/// Commands on a database come from this machine.
pub(crate) fn origin() -> Origin {
    Origin::default().with_user_agent("turbocat command line")
}
