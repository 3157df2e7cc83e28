//! What PostgreSQL counts, and what both sides of the engine cost.
//!
//! A session reports what it did with a delay, but for its end: commits and rows are read when the sessions of the
//! engine are closed, and are those of its whole life. WAL and CPU time are exact at any moment.

use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::PgConnection;

use crate::{
    process,
    server::{Database, Server},
    stats::number,
};

/// Reads counters: on a session in another database where there is one, so that it is not counted itself.
pub(crate) struct Counters {
    session: PgConnection,
    database: Database,
    server_pid: Option<u32>,
}

/// What was used up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// The moment.
    pub(crate) at: Instant,
    /// The position of the WAL.
    pub(crate) wal_bytes: i64,
    /// The CPU time of the server, if it is our own.
    pub(crate) server_cpu: Option<Duration>,
    /// The CPU time of this process without its main thread, which has the load and the counters.
    pub(crate) engine_cpu: Duration,
}

impl Usage {
    /// What this process knows by itself.
    pub(crate) fn of_process() -> Self {
        let engine_cpu = process::own_cpu().saturating_sub(process::main_thread_cpu());
        Self { at: Instant::now(), wal_bytes: 0, server_cpu: None, engine_cpu }
    }
}

/// What a database has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Transactions.
    pub(crate) transactions: i64,
    /// Rows that were inserted, updated and deleted.
    pub(crate) rows: i64,
}

/// What was used and counted between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Transactions.
    pub(crate) transactions: f64,
    /// Rows that were inserted, updated and deleted.
    pub(crate) rows: f64,
    /// Bytes of WAL.
    pub(crate) wal_bytes: f64,
    /// CPU time of the server in microseconds, if it is our own.
    pub(crate) server_cpu_us: Option<f64>,
    /// CPU time of this process without its main thread, in microseconds.
    pub(crate) engine_cpu_us: f64,
    /// How long it was, in seconds.
    pub(crate) seconds: f64,
}

impl Cost {
    /// The difference of two moments.
    pub(crate) fn between(from: (Totals, Usage), to: (Totals, Usage)) -> Self {
        let counted = |from: i64, to: i64| number(u64::try_from(to - from).unwrap_or_default());
        let us = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6;
        Self {
            transactions: counted(from.0.transactions, to.0.transactions),
            rows: counted(from.0.rows, to.0.rows),
            wal_bytes: counted(from.1.wal_bytes, to.1.wal_bytes),
            server_cpu_us: from.1.server_cpu.zip(to.1.server_cpu).map(|(from, to)| us(from, to)),
            engine_cpu_us: us(from.1.engine_cpu, to.1.engine_cpu),
            seconds: (to.1.at - from.1.at).as_secs_f64(),
        }
    }
}

impl Counters {
    /// Opens the session.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn open(server: &Server, database: &Database) -> anyhow::Result<Self> {
        Ok(Self { session: server.connect().await?, database: database.clone(), server_pid: server.pid() })
    }

    /// What was used until now.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn usage(&mut self) -> anyhow::Result<Usage> {
        let usage = Usage { server_cpu: self.server_pid.map(process::tree_cpu), ..Usage::of_process() };
        let position = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8";
        Ok(Usage { wal_bytes: sqlx::query_scalar(position).fetch_one(&mut self.session).await?, ..usage })
    }

    /// Writes everything to disk, so that the next measurement begins like the one before.
    ///
    /// # Errors
    ///
    /// If the account may not do that.
    pub(crate) async fn checkpoint(&mut self) -> anyhow::Result<()> {
        sqlx::query("CHECKPOINT").execute(&mut self.session).await?;
        Ok(())
    }

    /// What the database has counted, once nobody is connected to it any more.
    ///
    /// # Errors
    ///
    /// If somebody stays connected.
    pub(crate) async fn totals(&mut self) -> anyhow::Result<Totals> {
        self.until_unused().await?;
        self.totals_so_far().await
    }

    /// What the database has counted, without what its sessions have not reported yet.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub(crate) async fn totals_so_far(&mut self) -> anyhow::Result<Totals> {
        let transactions = self.transactions().await?;
        let mut session = self.database.connect().await?;
        let rows = "SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 FROM pg_stat_user_tables";
        Ok(Totals { transactions, rows: sqlx::query_scalar(rows).fetch_one(&mut session).await? })
    }

    /// What was used and counted since a moment at which nobody was connected either.
    ///
    /// # Errors
    ///
    /// If somebody stays connected.
    pub(crate) async fn since(&mut self, from: (Totals, Usage)) -> anyhow::Result<Cost> {
        let usage = self.usage().await?;
        Ok(Cost::between(from, (self.totals().await?, usage)))
    }

    async fn transactions(&mut self) -> anyhow::Result<i64> {
        let transactions = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1";
        Ok(sqlx::query_scalar(transactions).bind(&self.database.name).fetch_one(&mut self.session).await?)
    }

    async fn until_unused(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count: i64 =
                sqlx::query_scalar(sessions).bind(&self.database.name).fetch_one(&mut self.session).await?;
            if count == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{count} sessions stay in the database of the bench");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
