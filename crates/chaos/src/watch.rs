//! Looks at the database while faults happen: for executions that nobody works on, how long a takeover takes, and
//! sessions that sit in a transaction.
//!
//! It looks directly, past the proxies. The time in which the server itself does not answer is counted nowhere: what
//! it owns cannot be taken over by anybody then, and how long that lasts is the server's affair.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{evidence::Evidence, proxy::Switch};

const EVERY: Duration = Duration::from_millis(500);
const TAKEOVER_POLL: Duration = Duration::from_millis(50);
/// After this a takeover is not waited for any more; it is written down with that time.
const TAKEOVER_LIMIT: Duration = Duration::from_mins(1);

/// How a worker lost what it owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its process was killed, and the server is told so.
    Kill,
    /// Its process was stopped, or the network hides what became of it: only the lease tells.
    Pause,
}

impl Loss {
    /// How a process behind this switch loses what it owned when it is killed.
    pub(crate) fn of_killed(switch: &Switch) -> Self {
        if switch.stalls() { Self::Pause } else { Self::Kill }
    }
}

/// Looks at the database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Watch {
    pool: PgPool,
    tasks: TaskTracker,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    after_kill_ms: Vec<u64>,
    after_pause_ms: Vec<u64>,
    orphaned_ms_max: u64,
    idle_ms_max: u64,
    samples: u64,
}

impl Watch {
    /// A watch on this database.
    pub(crate) fn new(pool: PgPool, tasks: TaskTracker) -> Self {
        Self { pool, tasks, seen: Arc::default() }
    }

    /// Looks twice a second until it is told to end.
    pub(crate) async fn look(&self, end: &CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orphans: HashMap<Uuid, u64> = HashMap::new();
        let mut last: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = end.cancelled() => return,
            }
            let Ok((now_orphans, idle_ms)) = self.sample().await else {
                last = None;
                continue;
            };
            let since_ms = last.map_or(0, |last| millis(last.elapsed()));
            last = Some(Instant::now());
            let before = std::mem::take(&mut orphans);
            // One that is seen for the first time may have been there since the last look.
            orphans.extend(now_orphans.into_iter().map(|id| (id, before.get(&id).unwrap_or(&0) + since_ms)));
            let mut seen = self.seen();
            seen.samples += 1;
            seen.idle_ms_max = seen.idle_ms_max.max(idle_ms);
            seen.orphaned_ms_max = orphans.values().copied().max().unwrap_or(0).max(seen.orphaned_ms_max);
        }
    }

    /// The lives under this name that own executions now.
    pub(crate) async fn owners(&self, name: &str) -> Vec<Uuid> {
        let owners = "SELECT DISTINCT workers.id FROM workers JOIN executions ON executions.worker_id = workers.id \
                      WHERE workers.name = $1 AND workers.dead_at IS NULL";
        // While the server does not answer, nothing can be measured.
        sqlx::query_scalar(owners).bind(name).fetch_all(&self.pool).await.unwrap_or_default()
    }

    /// Measures, beside everything else, how long these lives go on to own something.
    pub(crate) fn time_takeover(&self, owners: Vec<Uuid>, loss: Loss) {
        if owners.is_empty() {
            return;
        }
        let watch = self.clone();
        self.tasks.spawn(async move {
            let took_ms = watch.takeover(&owners).await;
            let mut seen = watch.seen();
            match loss {
                Loss::Kill => seen.after_kill_ms.push(took_ms),
                Loss::Pause => seen.after_pause_ms.push(took_ms),
            }
        });
    }

    /// Writes down what was seen.
    pub(crate) fn write(&self, evidence: &mut Evidence) {
        let seen = self.seen();
        evidence.takeovers_after_kill_ms.clone_from(&seen.after_kill_ms);
        evidence.takeovers_after_pause_ms.clone_from(&seen.after_pause_ms);
        evidence.orphaned_ms_max = seen.orphaned_ms_max;
        evidence.idle_in_transaction_ms_max = seen.idle_ms_max;
        evidence.samples = seen.samples;
    }

    /// How many takeovers were measured.
    pub(crate) fn takeovers(&self) -> usize {
        let seen = self.seen();
        seen.after_kill_ms.len() + seen.after_pause_ms.len()
    }

    async fn takeover(&self, owners: &[Uuid]) -> u64 {
        let owned = "SELECT count(*) FROM executions WHERE worker_id = ANY ($1)";
        let began = Instant::now();
        let (mut answered_at, mut is_answering, mut outage) = (began, true, Duration::ZERO);
        while began.elapsed() < TAKEOVER_LIMIT + outage {
            match sqlx::query_scalar::<_, i64>(owned).bind(owners).fetch_one(&self.pool).await {
                Ok(count) => {
                    if !is_answering {
                        outage += answered_at.elapsed();
                    }
                    (answered_at, is_answering) = (Instant::now(), true);
                    if count == 0 {
                        break;
                    }
                }
                Err(_) => is_answering = false,
            }
            tokio::time::sleep(TAKEOVER_POLL).await;
        }
        millis(began.elapsed().saturating_sub(outage))
    }

    /// The executions whose owner is dead or has no lease, and the longest pause of a session in a transaction.
    async fn sample(&self) -> sqlx::Result<(Vec<Uuid>, u64)> {
        let orphans = "SELECT executions.id FROM executions JOIN workers ON workers.id = executions.worker_id \
                       WHERE executions.status = 'running' \
                         AND (workers.dead_at IS NOT NULL OR workers.lease_until < LOCALTIMESTAMP)";
        let idle = "SELECT COALESCE(max(EXTRACT(EPOCH FROM clock_timestamp() - state_change) * 1000), 0)::int8 \
                    FROM pg_stat_activity WHERE application_name = 'turbocat' AND state LIKE 'idle in transaction%'";
        let orphans = sqlx::query_scalar(orphans).fetch_all(&self.pool).await?;
        let idle_ms: i64 = sqlx::query_scalar(idle).fetch_one(&self.pool).await?;
        Ok((orphans, u64::try_from(idle_ms).unwrap_or_default()))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
