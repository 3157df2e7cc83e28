//! The rules of cancelling.

use turbocat_domain::{
    execution::ExecutionStatus,
    id::ExecutionId,
    port::{ExecutionMail, RequestOutcome},
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish, ids_of, park, read},
};
use crate::builder::a_completion;

/// A cancel of an owned execution reaches its owner by mail, once for all that came in, and nobody else.
pub async fn a_cancel_reaches_the_owner_by_mail(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let id = scene.running(store, owner).await.id;
    scene.running(store, owner).await;
    assert_eq!(store.take_mail(owner).await.unwrap(), []);

    assert_eq!(store.request_cancel(id).await.unwrap(), RequestOutcome::Requested);
    assert_eq!(store.request_cancel(id).await.unwrap(), RequestOutcome::Requested);
    assert_eq!(store.take_mail(other).await.unwrap(), []);
    assert_eq!(store.take_mail(owner).await.unwrap(), [ExecutionMail { id, cancel_requested: true, is_paused: false }]);
    assert_eq!(store.take_mail(owner).await.unwrap(), []);
    assert!(read(store, id).await.cancel_requested);
}

/// A cancel of a pending execution is told to who claims it.
pub async fn a_cancel_is_told_to_who_claims(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.accept(store, 1).await[0];
    assert_eq!(store.request_cancel(id).await.unwrap(), RequestOutcome::Requested);
    assert_eq!(read(store, id).await.status, ExecutionStatus::Pending, "it is the engine that ends it");

    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(claimed[0].cancel_requested);
}

/// A cancel wakes a parked execution.
pub async fn a_cancel_wakes_what_is_parked(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, Vec::new()).await;
    assert_eq!(store.request_cancel(id).await.unwrap(), RequestOutcome::Requested);

    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(claimed[0].cancel_requested);
}

/// A cancel survives the death of the owner who was told.
pub async fn a_cancel_survives_its_owner(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, next) = (scene.worker(store).await, scene.worker(store).await);
    let id = scene.running(store, owner).await.id;
    store.request_cancel(id).await.unwrap();
    store.take_mail(owner).await.unwrap();
    store.release(owner).await.unwrap();
    assert!(claim(store, next).await[0].cancel_requested);
}

/// What has ended cannot be cancelled, and what does not exist is unknown.
pub async fn what_has_ended_or_is_unknown_is_not_cancelled(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let running = scene.running(store, worker).await;
    finish(store, worker, a_completion(&running)).await;
    let ended = read(store, running.id).await;

    assert_eq!(store.request_cancel(running.id).await.unwrap(), RequestOutcome::Ended);
    assert_eq!(read(store, running.id).await, ended);
    let unknown = scene.nobody(ExecutionId::from_uuid);
    assert_eq!(store.request_cancel(unknown).await.unwrap(), RequestOutcome::Unknown);
}
