//! L1: one row and one commit a step, from several clients at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinSet, time::Instant};

use super::make_tables;
use crate::server::Database;

/// The numbers of clients that are tried.
const CLIENTS: [usize; 4] = [1, 4, 16, 64];

const INSERT: &str = r#"INSERT INTO limit_journal VALUES ($1, 1, 1, 1, now(), '{"v":1}')"#;

/// The best rate of commits, and with how many clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BestCommits {
    /// Commits a second.
    pub(crate) per_s: f64,
    /// By so many clients.
    pub(crate) clients: usize,
}

/// Tries all numbers of clients for so long each.
///
/// # Errors
///
/// If the server refuses.
pub(crate) async fn best(threads: &Handle, database: &Database, each: Duration) -> anyhow::Result<BestCommits> {
    make_tables(&mut database.connect().await?).await?;
    let run = Arc::new(AtomicI64::new(0));
    let mut best = BestCommits { per_s: 0.0, clients: 0 };
    for clients in CLIENTS {
        let per_s = rate(threads, database, clients, (each, &run)).await?;
        if per_s > best.per_s {
            best = BestCommits { per_s, clients };
        }
    }
    Ok(best)
}

async fn rate(
    threads: &Handle,
    database: &Database,
    clients: usize,
    (each, run): (Duration, &Arc<AtomicI64>),
) -> anyhow::Result<f64> {
    let mut tasks = JoinSet::new();
    let barrier = Arc::new(tokio::sync::Barrier::new(clients));
    for _ in 0..clients {
        let (database, run, barrier) = (database.clone(), Arc::clone(run), Arc::clone(&barrier));
        tasks.spawn_on(async move { client(&database, &run, (&barrier, each)).await }, threads);
    }
    let mut sum = 0.0;
    while let Some(rate) = tasks.join_next().await {
        sum += rate??;
    }
    Ok(sum)
}

async fn client(
    database: &Database,
    run: &AtomicI64,
    (barrier, each): (&tokio::sync::Barrier, Duration),
) -> anyhow::Result<f64> {
    let mut session = database.connect().await?;
    barrier.wait().await;
    let (began, mut commits) = (Instant::now(), 0_u32);
    while began.elapsed() < each {
        sqlx::query(INSERT).bind(run.fetch_add(1, Relaxed)).execute(&mut session).await?;
        commits += 1;
    }
    Ok(f64::from(commits) / began.elapsed().as_secs_f64())
}
