//! Which database is used: the one that is named, or a cluster of Turbocat's own.

use std::time::Duration;

use anyhow::{Context, bail};
use turbocat_persistence::Settings;
use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};

use crate::{args::GlobalArgs, report};

/// The folder of the cluster in the data folder.
const CLUSTER_FOLDER: &str = "pg";

/// A database that can be connected to.
#[derive(Debug)]
pub(crate) struct OpenDatabase {
    /// Its address.
    pub(crate) url: String,
    /// The share in the cluster, if it is Turbocat's own: its server runs as long as this lives.
    pub(crate) cluster: Option<Cluster>,
}

impl OpenDatabase {
    /// Whether no database is named and Turbocat's own was not made yet.
    ///
    /// # Errors
    ///
    /// If it cannot be said where Turbocat's own would be.
    pub(crate) fn is_missing(global: &GlobalArgs) -> anyhow::Result<bool> {
        if global.database_url().is_some() {
            return Ok(false);
        }
        Ok(!cluster_options(global, installation(global)?)?.root.exists())
    }

    /// As [`Self::open`], for who only looks: a database is not made for them.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and if there is none yet.
    pub(crate) fn open_existing(global: &GlobalArgs) -> anyhow::Result<Self> {
        if Self::is_missing(global)? {
            let root = cluster_options(global, installation(global)?)?.root;
            bail!("there is no database in {} yet: `turbocat run` and `turbocat up` make one", root.display());
        }
        Self::open(global)
    }

    /// Finds the database, or starts it. Blocks, and may start a process: call it before there are threads.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not installed (with the command that installs it), or its server does not start.
    pub(crate) fn open(global: &GlobalArgs) -> anyhow::Result<Self> {
        if let Some(url) = global.database_url() {
            return Ok(Self { url: url.to_owned(), cluster: None });
        }
        let options = cluster_options(global, installation(global)?)?;
        if !options.root.exists() {
            report::note(format!("making a database in {}", options.root.display()));
        }
        let cluster = Cluster::open(&options).context("the database of Turbocat's own does not start")?;
        Ok(Self { url: cluster.url(DATABASE), cluster: Some(cluster) })
    }
}

/// The installed PostgreSQL; installs it if that is wanted.
fn installation(global: &GlobalArgs) -> anyhow::Result<Installation> {
    match Installation::find() {
        Ok(installation) => Ok(installation),
        Err(_) if global.install_postgres => {
            report::note("installing PostgreSQL");
            Ok(Installation::install()?)
        }
        Err(missing) => Err(missing.into()),
    }
}

/// Which cluster is Turbocat's own.
///
/// # Errors
///
/// If no data folder is named and the environment names none either.
pub(crate) fn cluster_options(global: &GlobalArgs, installation: Installation) -> anyhow::Result<ClusterOptions> {
    Ok(match global.data_dir.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => ClusterOptions {
            root: std::path::absolute(folder)?.join(CLUSTER_FOLDER),
            installation,
            durable: true,
            linger: Duration::from_secs(2),
        },
        None => ClusterOptions::of_user(installation)?,
    })
}

/// What makes a database lose what it has acknowledged, as settings to change.
pub(crate) fn unsafe_settings(settings: &Settings) -> Vec<&'static str> {
    [
        ("fsync = on", settings.fsync),
        ("synchronous_commit = on", settings.synchronous_commit != "off"),
        ("full_page_writes = on", settings.full_page_writes),
    ]
    .into_iter()
    .filter_map(|(wanted, is_so)| (!is_so).then_some(wanted))
    .collect()
}

/// Refuses a database that can lose what it has acknowledged.
///
/// # Errors
///
/// If it can, and that was not allowed.
pub(crate) fn ensure_safe(settings: &Settings, global: &GlobalArgs) -> anyhow::Result<()> {
    let wanted = unsafe_settings(settings);
    if wanted.is_empty() || global.allow_unsafe_database {
        return Ok(());
    }
    bail!(
        "this database can lose executions that it has acknowledged: set {} in postgresql.conf, or pass \
         --allow-unsafe-database",
        wanted.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fsync: bool, synchronous_commit: &str) -> Settings {
        Settings {
            server_version: "15.6".to_owned(),
            fsync,
            synchronous_commit: synchronous_commit.to_owned(),
            full_page_writes: true,
            max_connections: 100,
            time_zone: "UTC".to_owned(),
            tabular_sql: true,
        }
    }

    #[test]
    fn a_database_that_loses_commits_is_named_with_what_to_change() {
        assert!(unsafe_settings(&settings(true, "on")).is_empty());
        assert!(unsafe_settings(&settings(true, "local")).is_empty());
        assert_eq!(unsafe_settings(&settings(false, "off")), ["fsync = on", "synchronous_commit = on"]);
    }
}
