//! The machine and the server that were measured: figures mean nothing without them.

use std::{collections::BTreeMap, fs};

use serde::Serialize;
use sqlx::PgConnection;

/// Where it was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The model of the processor.
    pub(crate) cpu: String,
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// The memory of the machine, in bytes.
    pub(crate) memory_bytes: u64,
    /// The release of the kernel.
    pub(crate) kernel: String,
    /// The version of PostgreSQL.
    pub(crate) postgres: String,
    /// Its settings, as far as speed and durability depend on them.
    pub(crate) settings: BTreeMap<String, String>,
    /// Whether the server is a private one, started for this.
    pub(crate) private_server: bool,
}

impl Machine {
    /// Looks at the machine and the server.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn look(session: &mut PgConnection, private_server: bool) -> anyhow::Result<Self> {
        let settings: Vec<(String, String)> = sqlx::query_as(SETTINGS).fetch_all(&mut *session).await?;
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kib(&text)).unwrap_or_default(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            postgres: sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(session).await?,
            settings: settings.into_iter().collect(),
            private_server,
        })
    }
}

const SETTINGS: &str = "\
    SELECT name, current_setting(name) FROM pg_settings WHERE name IN (
        'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'wal_compression', 'wal_buffers',
        'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'commit_delay', 'data_checksums', 'autovacuum',
        'max_connections'
    )";

/// The value of the first line that begins with a name and has a colon after it.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}
