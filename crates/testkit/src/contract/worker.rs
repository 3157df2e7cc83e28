//! The rules of the workers' leases.

use turbocat_domain::{
    id::WorkerId,
    port::{CommitOutcome, JournalBatch, Renewal, RepositoryError, Takeover},
};

use super::{
    ContractStore, Scene,
    scene::{claim, commit, ids_of, kill, park, write},
};
use crate::builder::{LEASE_MS, a_record, a_worker};

/// A worker that is alive has its lease renewed.
pub async fn a_living_worker_renews_its_lease(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = a_worker(&scene.ids);
    let granted = store.register(&worker).await.unwrap();
    store.tick().await;

    let renewed = store.renew(worker.id, LEASE_MS).await.unwrap();
    assert!(matches!(renewed, Renewal::Renewed(grant) if grant.granted_at >= granted.granted_at), "{renewed:?}");
}

/// A renewal in time keeps a worker whose lease had run out, as long as nobody has marked it dead.
pub async fn a_renewal_comes_in_time_until_the_worker_is_marked_dead(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (late, finder) = (scene.worker(store).await, scene.worker(store).await);
    let running = scene.running(store, late).await;
    store.expire_lease(late).await;
    assert!(matches!(store.renew(late, LEASE_MS).await.unwrap(), Renewal::Renewed(_)));

    assert_eq!(store.take_over(finder).await.unwrap(), Takeover::default());
    write(store, late, &[a_record(running.id, "a", 1)]).await;
}

/// One life has one row: an id cannot be registered again.
pub async fn a_worker_registers_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = a_worker(&scene.ids);
    store.register(&worker).await.unwrap();
    let again = store.register(&worker).await;
    assert!(matches!(again, Err(RepositoryError::AlreadyExists { .. })), "{again:?}");
}

/// A worker that was taken over is fenced: it renews nothing, commits nothing, and stays dead.
pub async fn a_worker_that_was_taken_over_is_fenced(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    kill(store, dead, finder).await;

    assert_eq!(store.renew(dead, LEASE_MS).await.unwrap(), Renewal::Fenced);
    assert_eq!(store.commit(dead, &JournalBatch::default()).await.unwrap(), CommitOutcome::Fenced);
    assert_eq!(store.renew(dead, LEASE_MS).await.unwrap(), Renewal::Fenced, "it does not come back");
    let stranger = scene.nobody(WorkerId::from_uuid);
    assert_eq!(store.renew(stranger, LEASE_MS).await.unwrap(), Renewal::Fenced);
}

/// What a dead worker owned becomes claimable, once, and what others own does not.
pub async fn a_takeover_makes_executions_claimable(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    let orphans = scene.accept(store, 3).await;
    claim(store, dead).await;
    scene.running(store, finder).await;
    store.expire_lease(dead).await;

    let found = store.take_over(finder).await.unwrap();
    assert_eq!(found, Takeover { workers: 1, executions: 3 });
    assert_eq!(store.take_over(finder).await.unwrap(), Takeover::default(), "nobody dies twice");
    assert_eq!(ids_of(&claim(store, finder).await), orphans);
}

/// Takeovers are counted while nothing is recorded in between, and start anew when something was.
pub async fn takeovers_are_counted_only_without_progress(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let finder = scene.worker(store).await;
    let mut owner = scene.worker(store).await;
    let id = scene.running(store, owner).await.id;
    let mut takeovers = Vec::new();
    for round in 1..=5 {
        if round == 4 {
            write(store, owner, &[a_record(id, "a", 1)]).await;
        }
        kill(store, owner, finder).await;
        owner = scene.worker(store).await;
        let claimed = claim(store, owner).await;
        assert_eq!(ids_of(&claimed), [id]);
        takeovers.push(claimed[0].takeovers);
    }
    assert_eq!(takeovers, [1, 2, 3, 1, 2]);
}

/// A worker that gives its lease back hands back what it owns, without a mark on any of it.
pub async fn a_release_hands_back_what_was_owned(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (leaving, staying) = (scene.worker(store).await, scene.worker(store).await);
    let accepted = scene.accept(store, 2).await;
    claim(store, leaving).await;

    assert_eq!(store.release(leaving).await.unwrap(), Takeover { workers: 1, executions: 2 });
    assert_eq!(store.release(leaving).await.unwrap(), Takeover::default(), "nobody leaves twice");
    assert_eq!(store.renew(leaving, LEASE_MS).await.unwrap(), Renewal::Fenced);
    let claimed = claim(store, staying).await;
    assert_eq!(ids_of(&claimed), accepted);
    assert!(claimed.iter().all(|execution| execution.takeovers == 0));
}

/// A parked execution has no owner, so the death of who parked it changes nothing.
pub async fn what_is_parked_does_not_die_with_its_worker(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    let parked = scene.running(store, dead).await;
    park(store, dead, parked.id, Vec::new()).await;
    store.expire_lease(dead).await;

    assert_eq!(store.take_over(finder).await.unwrap(), Takeover { workers: 1, executions: 0 });
    assert_eq!(claim(store, finder).await, []);
}

/// Who is alive is counted.
pub async fn living_workers_are_counted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    assert_eq!(store.count_live().await.unwrap(), 0);
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    assert_eq!(store.count_live().await.unwrap(), 2);
    kill(store, dead, finder).await;
    assert_eq!(store.count_live().await.unwrap(), 1);
}

/// A commit and a takeover that meet: either the commit stands and was told so, or nothing of it does.
pub async fn a_commit_that_meets_a_takeover_stands_or_is_fenced(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let finder = scene.worker(store).await;
    for _ in 0..10 {
        let owner = scene.worker(store).await;
        let running = scene.running(store, owner).await;
        store.expire_lease(owner).await;
        let records = vec![a_record(running.id, "a", 1)];
        let batch = JournalBatch { records, ..JournalBatch::default() };

        let (outcome, found) = tokio::join!(store.commit(owner, &batch), store.take_over(finder));
        assert_eq!(found.unwrap().workers, 1);
        let written = store.executions().step_records(running.id).await.unwrap().len();
        assert_eq!(written, usize::from(outcome.unwrap() == CommitOutcome::Committed));
        // The finder takes it, and hands it back for good.
        let claimed = claim(store, finder).await;
        assert_eq!(ids_of(&claimed), [running.id]);
        assert_eq!(claimed[0].records.len(), written);
        commit(
            store,
            finder,
            JournalBatch { finished: vec![crate::builder::a_completion(&claimed[0])], ..JournalBatch::default() },
        )
        .await;
    }
}
