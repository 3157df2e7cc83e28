//! The store and the use cases on it, as the parent and its processes need them.

use std::sync::Arc;

use anyhow::Context;
use turbocat_application::{Actor, Argon2Hasher, Ports, SourceFile, UseCases};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_schema::JsonSchemas;

use crate::{
    adapter::{AnyConfig, SystemClock, UuidV7},
    program::Program,
};

/// What works on the database.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: PgStore,
    pub(crate) use_cases: UseCases,
    pub(crate) schemas: Arc<JsonSchemas>,
    /// For whom everything is done.
    pub(crate) actor: Actor,
}

impl App {
    /// Connects to a database that was prepared.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or was not prepared.
    pub(crate) async fn connect(url: &str, pool_max: u32) -> anyhow::Result<Self> {
        let (store, use_cases, schemas) = open(url, pool_max).await?;
        let actor = use_cases.administrator().await?.context("the database has no first account")?;
        Ok(Self { store, use_cases, schemas, actor })
    }

    /// Makes the schema and the first account, publishes the workflows, and returns what works on them.
    ///
    /// # Errors
    ///
    /// What could not be made.
    pub(crate) async fn prepare(url: &str, program: &Program) -> anyhow::Result<Self> {
        turbocat_migration::up(url).await.context("the schema cannot be made")?;
        let (store, use_cases, schemas) = open(url, 2).await?;
        let actor = use_cases.seed(None, &Argon2Hasher).await?.admin;
        let documents = program.documents();
        let sources = (1..)
            .zip(&documents)
            .map(|(number, document)| SourceFile { name: format!("chaos-{number}.json"), text: document.to_string() });
        let sources: Vec<_> = sources.collect();
        use_cases.publish(actor, &sources).await.context("the workflows of the chaos are refused")?;
        Ok(Self { store, use_cases, schemas, actor })
    }
}

async fn open(url: &str, pool_max: u32) -> anyhow::Result<(PgStore, UseCases, Arc<JsonSchemas>)> {
    let options = ConnectOptions { pool_max, ..ConnectOptions::new(url) };
    let store = PgStore::connect(&options).await.context("the database cannot be reached")?;
    let schemas = Arc::new(JsonSchemas::default());
    let use_cases = UseCases::new(Ports {
        store: Arc::new(store.clone()),
        queries: Arc::new(store.clone()),
        queue: Arc::new(store.clone()),
        clock: Arc::new(SystemClock),
        ids: Arc::new(UuidV7),
        schemas: Arc::clone(&schemas) as _,
        agent_configs: Arc::new(AnyConfig),
    });
    Ok((store, use_cases, schemas))
}
