//! A store in memory that keeps every promise of the ports of storage, for tests and simulations.
//!
//! It is the reference that other stores are compared with: one state behind one lock, time that moves only
//! when it is told to, and a file for each port. It does not survive its process.
//!
//! # Invariants
//!
//! 1. A method of a port takes the lock once: what it does is atomic.
//! 2. A unit of work works on a view of its own and writes at commit, all of it or nothing; the view follows
//!    what others commit, as a transaction at `READ COMMITTED` does.
//! 3. Work on executions costs the logarithm of how many there are, never their number.

mod acceptor;
mod access;
mod contract_hooks;
mod counter;
mod engine;
mod event;
mod journal;
mod log;
mod name_lock;
mod page;
mod part;
mod permit;
mod queries;
mod queue;
mod repository;
mod row;
mod schedule;
mod tables;
mod unit_of_work;
mod usage;
mod worker;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::Clock,
};

use self::{
    engine::{Engine, ExecutionRow},
    name_lock::NameLocks,
    tables::Tables,
};
use crate::clock::SimulatedClock;

/// A store in memory. Clones share what is stored.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    names: NameLocks,
    clock: SimulatedClock,
}

/// All that is stored.
#[derive(Default)]
struct State {
    /// What units of work write.
    tables: Tables,
    /// Counts the commits, so that a unit of work knows when its view is old.
    commits: u64,
    /// What the engine's ports write.
    engine: Engine,
    /// Until when the permits of each rate are spent.
    rates: BTreeMap<String, DateTime<Utc>>,
}

impl MemoryStore {
    /// An empty store whose time is this clock's.
    #[must_use]
    pub fn new(clock: SimulatedClock) -> Self {
        Self { shared: Arc::new(Shared { clock, ..Shared::default() }) }
    }

    /// The clock that is the store's time.
    #[must_use]
    pub fn clock(&self) -> &SimulatedClock {
        &self.shared.clock
    }

    /// Ends a worker's session, as the death of its process does: the next look for dead workers finds it.
    pub fn end_session(&self, worker: WorkerId) {
        self.state().engine.end_session(worker);
    }

    /// Who owns an execution, for those who watch; nobody, if there is no such execution.
    #[must_use]
    pub fn owner_of(&self, execution: ExecutionId) -> Option<WorkerId> {
        self.state().engine.executions.get(&execution).and_then(ExecutionRow::owner)
    }

    /// Whether a worker is registered and not marked dead, for those who watch.
    #[must_use]
    pub fn is_alive(&self, worker: WorkerId) -> bool {
        self.state().engine.is_alive(worker)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.shared.clock.now()
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Shared {
    /// The state. A test that panicked with the lock in its hand has failed already; the others go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use turbocat_domain::port::{
        ClaimRequest, ExecutionQueue, JournalBatch, Queries, RepositoryError, Store, Takeover, WorkerRepository,
    };

    use super::*;
    use crate::{
        builder::{a_completion, a_user, a_worker},
        contract::Scene,
    };

    #[tokio::test]
    async fn the_end_of_a_session_is_found_before_the_lease_runs_out() {
        let store = MemoryStore::default();
        let scene = Scene::set(&store).await;
        let (dead, finder) = (scene.worker(&store).await, scene.worker(&store).await);
        assert_eq!(store.take_over(finder).await.unwrap(), Takeover::default());
        store.end_session(dead);
        assert_eq!(store.take_over(finder).await.unwrap(), Takeover { workers: 1, executions: 0 });
    }

    #[tokio::test]
    async fn a_lease_runs_out_when_the_clock_says_so() {
        let clock = SimulatedClock::default();
        let store = MemoryStore::new(clock.clone());
        let scene = Scene::set(&store).await;
        let worker = a_worker(&scene.ids);
        store.register(&worker).await.unwrap();
        let finder = scene.nobody(WorkerId::from_uuid);

        clock.advance_ms(worker.lease_ms);
        assert_eq!(store.take_over(finder).await.unwrap().workers, 0);
        clock.advance_micros(1);
        assert_eq!(store.take_over(finder).await.unwrap().workers, 1);
    }

    #[tokio::test]
    async fn a_unit_of_work_sees_what_others_commit_and_of_two_writers_the_first_wins() {
        let store = MemoryStore::default();
        let user = a_user(&crate::ids::SequentialIds::new(1));
        let mut one = store.begin().await.unwrap();
        let mut two = store.begin().await.unwrap();
        one.users().insert(&user).await.unwrap();
        one.commit().await.unwrap();

        let mut three = store.begin().await.unwrap();
        let now = store.clock().now() + chrono::TimeDelta::seconds(1);
        two.users().save(&user, now).await.unwrap();
        three.users().delete(user.id, now).await.unwrap();
        three.commit().await.unwrap();
        assert!(matches!(two.commit().await, Err(RepositoryError::Conflict { .. })));
        assert!(store.users().get(user.id).await.is_err());
    }

    #[tokio::test]
    async fn ten_thousands_of_executions_pass_through() {
        const COUNT: usize = 20_000;
        let store = MemoryStore::default();
        let scene = Scene::set(&store).await;
        let worker = scene.worker(&store).await;
        let batch: Vec<_> = (0..COUNT).map(|_| scene.new_execution()).collect();
        store.insert(&batch, None).await.unwrap();
        let mut ended = 0;
        while store.next_due().await.unwrap().execution.is_some() {
            let claimed = store.claim(ClaimRequest { worker, limit: 10 }).await.unwrap();
            ended += claimed.len();
            let finished = claimed.iter().map(a_completion).collect();
            let batch = JournalBatch { finished, ..JournalBatch::default() };
            turbocat_domain::port::Journal::commit(&store, worker, &batch).await.unwrap();
        }
        assert_eq!(ended, COUNT);
    }
}
