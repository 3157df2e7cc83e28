//! The PostgreSQL that is measured: one that is named, or a private one with fsync on that is thrown away.
//!
//! Each workload gets a database of its own beside the one that is named, which is left alone.

use std::{fs, path::PathBuf};

use anyhow::Context;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, PgConnection, postgres::PgConnectOptions};
use turbocat_postgres::{Cluster, ClusterOptions, Installation};

/// The server that is measured.
#[derive(Debug)]
pub(crate) struct Server {
    maintenance: PgConnectOptions,
    cluster: Option<Cluster>,
}

impl Server {
    /// Finds the server that is named, or starts a private one. That forks: call it before there are threads.
    ///
    /// # Errors
    ///
    /// If the address is none, PostgreSQL is not installed, or its server does not start.
    pub(crate) fn open(url: Option<&str>) -> anyhow::Result<Self> {
        if let Some(url) = url {
            return Ok(Self { maintenance: url.parse().context("the database URL is none")?, cluster: None });
        }
        let root: PathBuf = std::env::temp_dir().join(format!("turbocat-bench-{}", std::process::id()));
        let options = ClusterOptions { root, durable: true, ..ClusterOptions::throw_away(Installation::find()?, "") };
        let cluster = Cluster::open(&options).context("the private PostgreSQL does not start")?;
        Ok(Self { maintenance: cluster.url("postgres").parse()?, cluster: Some(cluster) })
    }

    /// The process id of the server, if it is our own: only then can its CPU time be read.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.cluster.as_ref().map(Cluster::server_pid)
    }

    /// Connects to the database that is named.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect_with(&self.maintenance).await.context("PostgreSQL does not answer")
    }

    /// Makes an empty database with the current schema.
    ///
    /// # Errors
    ///
    /// If the account may not create databases, or the schema cannot be made.
    pub(crate) async fn create_database(&self, purpose: &str) -> anyhow::Result<Database> {
        let name = format!("turbocat_bench_{}_{}", std::process::id(), purpose.replace('-', "_"));
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.connect().await?).await.context(
            "no database can be made for the bench beside the one that is named: give the account CREATEDB, or leave \
             out the URL and a private PostgreSQL is measured",
        )?;
        let options = self.maintenance.clone().database(&name);
        let database = Database { url: options.to_url_lossy().to_string(), name, options };
        turbocat_migration::up(&database.url).await?;
        Ok(database)
    }

    /// Drops a database, whoever is still connected.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub(crate) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut self.connect().await?).await?;
        Ok(())
    }

    /// Drops all databases of this process: those of workloads that were interrupted.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub(crate) async fn drop_databases(&self) -> anyhow::Result<()> {
        let ours = format!("turbocat\\_bench\\_{}\\_%", std::process::id());
        let names: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
            .bind(ours)
            .fetch_all(&mut self.connect().await?)
            .await?;
        for name in names {
            self.drop_database(&name).await?;
        }
        Ok(())
    }

    /// Stops the private server and removes its data.
    pub(crate) fn close(self) {
        let Some(cluster) = self.cluster else { return };
        let (root, pid) = (cluster.root().to_owned(), cluster.server_pid());
        drop(cluster);
        while fs::exists(format!("/proc/{pid}")).unwrap_or_default() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        if let Err(error) = fs::remove_dir_all(&root) {
            tracing::warn!(%error, folder = %root.display(), "the data of the bench's PostgreSQL are left");
        }
    }
}

/// A database of the bench.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Its address.
    pub(crate) url: String,
    /// What it is called.
    pub(crate) name: String,
    /// How to connect to it.
    pub(crate) options: PgConnectOptions,
}

impl Database {
    /// The database at an address.
    ///
    /// # Errors
    ///
    /// If the address is none.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse().context("the database URL is none")?;
        let name = options.get_database().unwrap_or_default().to_owned();
        Ok(Self { url: url.to_owned(), name, options })
    }

    /// Connects to it.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect_with(&self.options).await.context("the database of the bench does not answer")
    }
}
