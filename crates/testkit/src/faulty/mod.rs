//! Faults on purpose: a store whose calls fail before they did anything, or after they did all of it.
//!
//! The second kind is the lost reply: the caller sees an error, and the write stands. A protocol is only safe if
//! it survives both. Nothing is ever delayed.

mod ports;
mod unit_of_work;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use turbocat_domain::port::{RepositoryError, Result};

use crate::random::Random;

/// How often calls fail, in a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// Calls that fail and did nothing.
    pub before_per_mille: u16,
    /// Calls that did what they were asked, and whose reply is lost.
    pub after_per_mille: u16,
}

/// What has happened to the calls of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCount {
    /// All calls.
    pub calls: u64,
    /// Those that failed and did nothing.
    pub failed_before: u64,
    /// Those whose reply was lost.
    pub failed_after: u64,
}

/// The failure that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault was injected")]
pub struct InjectedFault;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    FailBefore,
    FailAfter,
}

/// Decides by a seed which calls fail, and counts them. Clones share the decisions and the counts.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    random: Random,
    rates: FaultRates,
    counts: BTreeMap<&'static str, FaultCount>,
}

impl FaultPlan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64, rates: FaultRates) -> Self {
        let inner = Inner { random: Random::new(seed), rates, counts: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Changes how often calls fail from now on; no faults by default.
    pub fn set_rates(&self, rates: FaultRates) {
        self.inner().rates = rates;
    }

    /// What has happened so far, by the name of the call: `journal.commit`, `queue.claim`, …
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, FaultCount> {
        self.inner().counts.clone()
    }

    /// What has happened so far to one kind of call.
    #[must_use]
    pub fn count(&self, call: &str) -> FaultCount {
        self.inner().counts.get(call).copied().unwrap_or_default()
    }

    /// Makes a call, or lets it fail.
    ///
    /// # Errors
    ///
    /// What the call fails with, or an [`InjectedFault`] that may be tried again.
    pub async fn call<T>(&self, name: &'static str, act: impl Future<Output = Result<T>>) -> Result<T> {
        match self.decide(name) {
            Fate::Pass => act.await,
            Fate::FailBefore => Err(fault()),
            Fate::FailAfter => {
                act.await?;
                // Counted here: a call that failed by itself lost no reply.
                self.inner().counts.entry(name).or_default().failed_after += 1;
                Err(fault())
            }
        }
    }

    fn decide(&self, name: &'static str) -> Fate {
        let mut inner = self.inner();
        let FaultRates { before_per_mille, after_per_mille } = inner.rates;
        let draw = inner.random.below(1_000);
        let count = inner.counts.entry(name).or_default();
        count.calls += 1;
        if draw < u64::from(before_per_mille) {
            count.failed_before += 1;
            Fate::FailBefore
        } else if draw < u64::from(before_per_mille) + u64::from(after_per_mille) {
            Fate::FailAfter
        } else {
            Fate::Pass
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store whose calls fail as a [`FaultPlan`] says.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    inner: S,
    plan: FaultPlan,
}

impl<S> Faulty<S> {
    /// Puts faults before a store.
    #[must_use]
    pub const fn new(inner: S, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// The store itself, without faults.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// What decides and counts.
    #[must_use]
    pub const fn plan(&self) -> &FaultPlan {
        &self.plan
    }
}

fn fault() -> RepositoryError {
    RepositoryError::Backend { transient: true, source: Box::new(InjectedFault) }
}

#[cfg(test)]
mod tests {
    use turbocat_domain::port::{
        ClaimRequest, CommitOutcome, ExecutionQueue, Journal, JournalBatch, Queries, Store, WorkerRepository,
    };

    use super::*;
    use crate::{
        builder::{a_completion, a_new_execution, a_record, a_user, a_worker},
        contract::Scene,
        memory::MemoryStore,
    };

    const RATES: FaultRates = FaultRates { before_per_mille: 300, after_per_mille: 300 };

    #[tokio::test]
    async fn a_batch_that_is_sent_until_it_is_confirmed_is_written_once_whatever_was_lost() {
        let store = MemoryStore::default();
        let scene = Scene::set(&store).await;
        let worker = a_worker(&scene.ids);
        store.register(&worker).await.unwrap();
        let faulty = Faulty::new(store.clone(), FaultPlan::new(7, RATES));
        for _ in 0..50 {
            store.insert(&[a_new_execution(&scene.ids, &scene.workflow)], None).await.unwrap();
            let claimed = store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap();
            let batch = JournalBatch {
                records: vec![a_record(claimed[0].id, "a", 1)],
                finished: vec![a_completion(&claimed[0])],
                parked: Vec::new(),
            };
            let outcome = loop {
                match faulty.commit(worker.id, &batch).await {
                    Ok(outcome) => break outcome,
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            };
            assert_eq!(outcome, CommitOutcome::Committed);
        }

        let count = faulty.plan().count("journal.commit");
        assert!(count.failed_before >= 20 && count.failed_after >= 20, "{count:?}");
        assert_eq!(count.calls, 50 + count.failed_before + count.failed_after);
        turbocat_domain::port::CounterRepository::fold(&store).await.unwrap();
        assert_eq!(store.workflows().get(scene.workflow.id).await.unwrap().total_executions, 50);
    }

    #[tokio::test]
    async fn a_unit_of_work_whose_reply_was_lost_is_committed_and_one_that_failed_before_is_not() {
        let store = MemoryStore::default();
        let plan = FaultPlan::new(1, FaultRates::default());
        let faulty = Faulty::new(store.clone(), plan.clone());
        let ids = crate::ids::SequentialIds::new(1);
        for (rates, is_written) in [
            (FaultRates { before_per_mille: 1_000, after_per_mille: 0 }, false),
            (FaultRates { before_per_mille: 0, after_per_mille: 1_000 }, true),
        ] {
            plan.set_rates(FaultRates::default());
            let user = a_user(&ids);
            let mut uow = faulty.begin().await.unwrap();
            uow.users().insert(&user).await.unwrap();
            plan.set_rates(rates);
            assert!(uow.commit().await.unwrap_err().is_transient());
            assert_eq!(store.users().get(user.id).await.is_ok(), is_written);
        }
        let count = plan.count("store.commit");
        assert_eq!((count.calls, count.failed_before, count.failed_after), (2, 1, 1));
    }
}
