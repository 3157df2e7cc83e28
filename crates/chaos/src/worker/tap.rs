//! A tap on the journal: it keeps commits back while it is told to, and remembers some for the stale committer.
//!
//! A worker that was paused stops itself by its own clock, so that one that commits under a lease that it has lost is
//! rare. A commit that is kept back here has passed the engine's own check: when it goes on after the pause, nothing
//! but the fence in the database stands between it and somebody else's execution.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::sync::watch;
use turbocat_domain::{
    id::WorkerId,
    port::{CommitOutcome, Journal, JournalBatch, PartJournal, PartOutcome, Result, StepPart, StepPlace},
};
use turbocat_persistence::PgStore;

use crate::{behaviour::Ledger, evidence::Entry, ledger::Teller};

/// How many batches are remembered, and that one of so many is.
const REMEMBERED: usize = 64;
const ONE_OF: u64 = 4;

/// The store's journal.
pub(crate) struct Tap {
    store: Arc<PgStore>,
    ledger: Teller,
    is_held: watch::Sender<bool>,
    seen: AtomicU64,
    remembered: Mutex<VecDeque<JournalBatch>>,
    /// Asks who is dead, on a connection of its own.
    asker: PgPool,
}

impl Tap {
    /// A tap on this journal.
    ///
    /// # Errors
    ///
    /// If the address of the database is none.
    pub(super) fn new(store: Arc<PgStore>, ledger: Teller, url: &str) -> anyhow::Result<Self> {
        let asker = PgPoolOptions::new().max_connections(1).connect_lazy(url)?;
        let (is_held, _) = watch::channel(false);
        Ok(Self { store, ledger, is_held, seen: AtomicU64::new(0), remembered: Mutex::default(), asker })
    }

    /// Keeps the commits back that come from now on, or lets them go.
    pub(super) fn hold(&self, is_held: bool) {
        self.is_held.send_replace(is_held);
    }

    /// The batches that are remembered.
    pub(super) fn remembered(&self) -> Vec<JournalBatch> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Asks the database.
    pub(super) const fn asker(&self) -> &PgPool {
        &self.asker
    }

    /// Commits for a worker that the database calls dead, and tells the ledger what came of it.
    pub(super) async fn commit_stale(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        let outcome = self.store.commit(worker, batch).await?;
        let entry = Entry::StaleCommit { worker: worker.as_uuid(), is_accepted: outcome == CommitOutcome::Committed };
        if let Err(error) = self.ledger.tell(entry).await {
            tracing::error!("a stale commit could not be told: {error:#}");
        }
        Ok(outcome)
    }

    /// Records a part for a worker that the database calls dead, and tells the ledger what came of it.
    pub(super) async fn record_stale(&self, worker: WorkerId, step: &StepPlace, part: &StepPart) -> Result<()> {
        let outcome = self.store.record_part(worker, step, (part, None)).await?;
        let is_accepted = matches!(outcome, PartOutcome::Stands(_));
        let entry = Entry::StaleCommit { worker: worker.as_uuid(), is_accepted };
        if let Err(error) = self.ledger.tell(entry).await {
            tracing::error!("a stale part could not be told: {error:#}");
        }
        Ok(())
    }

    fn remember(&self, batch: &JournalBatch) {
        if !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(ONE_OF) {
            return;
        }
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(batch.clone());
    }

    /// Waits while commits are held; whether there was a wait.
    async fn wait(&self) -> bool {
        let mut is_held = self.is_held.subscribe();
        if !*is_held.borrow() {
            return false;
        }
        // The sender lives as long as this does.
        let _let_go = is_held.wait_for(|is_held| !is_held).await;
        true
    }

    async fn is_dead(&self, worker: WorkerId) -> bool {
        sqlx::query_scalar("SELECT dead_at IS NOT NULL FROM workers WHERE id = $1")
            .bind(worker.as_uuid())
            .fetch_one(&self.asker)
            .await
            .unwrap_or(false)
    }
}

#[async_trait]
impl Journal for Tap {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        self.remember(batch);
        if self.wait().await && self.is_dead(worker).await {
            return self.commit_stale(worker, batch).await;
        }
        self.store.commit(worker, batch).await
    }
}
