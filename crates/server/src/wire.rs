//! The composition root: every adapter is made here, and nowhere else. Read it from the top down.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use turbocat_agents::Agents;
use turbocat_application::{Access, AccessPorts, Ports, StoredSecrets, UseCases};
use turbocat_domain::port::SecretCipher;
use turbocat_engine::{Engine, EngineHandle, EngineOptions};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_schema::JsonSchemas;

use crate::{
    adapter::{AgentConfigs, BlockingPasswords, KeyRing, SystemClock, SystemSecrets, UuidV7},
    args::GlobalArgs,
    config, database,
};

/// How often the use of keys is told.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How often what has had its time is forgotten.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// What commands work with.
pub(crate) struct App {
    /// The store, for what has no use case of its own.
    pub(crate) store: PgStore,
    /// The use cases.
    pub(crate) use_cases: UseCases,
    /// Who asks.
    pub(crate) access: Access,
    schemas: Arc<JsonSchemas>,
    agents: Arc<Agents>,
}

impl App {
    /// Connects to a database whose schema is current, and puts the use cases on it.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or its schema is not that of this binary.
    pub(crate) async fn connect(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        turbocat_migration::ensure_current(url).await?;
        let store = PgStore::connect(&ConnectOptions::new(url)).await.context("the database cannot be reached")?;
        let schemas = Arc::new(JsonSchemas::default());
        let cipher: Arc<dyn SecretCipher> = Arc::new(KeyRing::new(config::secret_keys(global)?));
        let vault = StoredSecrets::new(Arc::new(store.clone()), Arc::clone(&cipher));
        let agents = Agents::new(config::agents()?)?.with_vault(Arc::new(vault));
        let agents = Arc::new(agents.with_tables(Arc::new(store.tabular_sql())));
        let use_cases = UseCases::new(Ports {
            store: Arc::new(store.clone()),
            queries: Arc::new(store.clone()),
            queue: Arc::new(store.clone()),
            clock: Arc::new(SystemClock),
            ids: Arc::new(UuidV7),
            schemas: Arc::clone(&schemas) as _,
            agent_configs: Arc::new(AgentConfigs(Arc::clone(&agents))),
        });
        let access = Access::new(
            use_cases.clone(),
            AccessPorts {
                limiter: Arc::new(store.clone()),
                ledger: Arc::new(store.clone()),
                passwords: Arc::new(BlockingPasswords::default()),
                secrets: Arc::new(SystemSecrets),
                cipher,
                mailer: config::mailer()?,
                public_url: config::public_url(),
            },
        );
        Ok(Self { store, use_cases, access, schemas, agents })
    }

    /// Brings the schema up to date, connects, and refuses a database that loses what it has acknowledged.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`], and if the migrations fail or the database is not safe.
    pub(crate) async fn prepare(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        for name in turbocat_migration::up(url).await? {
            tracing::info!(name, "migrated");
        }
        let app = Self::connect(url, global).await?;
        database::ensure_safe(&app.store.settings().await?, global)?;
        Ok(app)
    }

    /// Starts an engine on the store.
    ///
    /// # Errors
    ///
    /// If it cannot register itself.
    pub(crate) async fn start_engine(&self, options: EngineOptions) -> anyhow::Result<Engine> {
        let ports = turbocat_engine::Ports {
            workers: Arc::new(self.store.clone()),
            queue: Arc::new(self.store.clone()),
            schedules: Arc::new(self.store.clone()),
            journal: Arc::new(self.store.clone()),
            parts: Arc::new(self.store.clone()),
            budgets: Arc::new(self.store.clone()),
            permits: Arc::new(self.store.clone()),
            events: Arc::new(self.store.clone()),
            logs: Arc::new(self.store.clone()),
            counters: Arc::new(self.store.clone()),
            queries: Arc::new(self.store.clone()),
            runner: Arc::clone(&self.agents) as _,
            schemas: Arc::clone(&self.schemas) as _,
            ids: Arc::new(UuidV7),
        };
        Engine::start(options, ports).await.context("the engine does not start")
    }

    /// Tells the store about once a second how often keys were used, and forgets now and then what has had its time.
    /// Goes on until the token is cancelled, and tells the rest then.
    pub(crate) async fn keep_access(&self, shutdown: CancellationToken) {
        let (mut flush, mut prune) = (time::interval(FLUSH_EVERY), time::interval(PRUNE_EVERY));
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => break,
                _ = flush.tick() => self.access.flush().await,
                _ = prune.tick() => self.access.prune().await.map(drop),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "the use of keys is told later");
            }
        }
        if let Err(error) = self.access.flush().await {
            tracing::warn!(%error, "how often keys were used in the last second is lost");
        }
    }

    /// Lets what other processes do be seen at once instead of at the next poll: an execution that they leave to
    /// others, a cancel. Goes on for ever.
    ///
    /// # Errors
    ///
    /// If the hints cannot be listened to.
    pub(crate) async fn wake_on_hints(&self, engine: EngineHandle) -> anyhow::Result<Infallible> {
        let mut hints = self.store.wakeups().await.context("hints of other processes cannot be listened to")?;
        loop {
            hints.next().await;
            engine.wake();
        }
    }
}
