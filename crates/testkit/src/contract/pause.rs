//! The rules of pausing and resuming.

use turbocat_domain::{
    execution::ExecutionStatus,
    id::ExecutionId,
    port::{ExecutionMail, RequestOutcome},
};

use super::{
    ContractStore, Scene,
    scene::{a_wait, claim, finish, ids_of, kill, park, read},
};
use crate::builder::{a_completion, an_event};

async fn pause(store: &dyn ContractStore, id: ExecutionId, reason: Option<&str>) -> RequestOutcome {
    let mut uow = store.begin().await.unwrap();
    let outcome = uow.executions().pause(id, reason.map(str::to_owned)).await.unwrap();
    uow.commit().await.unwrap();
    outcome
}

async fn resume(store: &dyn ContractStore, id: ExecutionId) -> RequestOutcome {
    let mut uow = store.begin().await.unwrap();
    let outcome = uow.executions().resume(id).await.unwrap();
    uow.commit().await.unwrap();
    outcome
}

/// The reason of the pause of an execution that is paused.
async fn reason(store: &dyn ContractStore, id: ExecutionId) -> Option<String> {
    read(store, id).await.paused.expect("it is paused").reason
}

/// A pause and a resume of an owned execution reach its owner by mail, which tells how it stands.
pub async fn a_pause_reaches_the_owner_by_mail(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let owner = scene.worker(store).await;
    let id = scene.running(store, owner).await.id;
    let letter = |is_paused| [ExecutionMail { id, cancel_requested: false, is_paused }];

    assert_eq!(pause(store, id, Some("the bank is closed")).await, RequestOutcome::Requested);
    assert_eq!(store.take_mail(owner).await.unwrap(), letter(true));
    assert_eq!(reason(store, id).await.as_deref(), Some("the bank is closed"));
    assert_eq!(resume(store, id).await, RequestOutcome::Requested);
    assert_eq!(store.take_mail(owner).await.unwrap(), letter(false));
    assert_eq!(read(store, id).await.paused, None);

    pause(store, id, None).await;
    resume(store, id).await;
    assert_eq!(store.take_mail(owner).await.unwrap(), letter(false), "the last word counts");
}

/// What was accepted and is paused before it began is not claimed until it is resumed.
pub async fn what_is_pending_and_paused_is_not_claimed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.accept(store, 1).await[0];
    pause(store, id, None).await;
    assert_eq!(claim(store, worker).await, []);
    assert_eq!(read(store, id).await.status, ExecutionStatus::Pending);
    assert_eq!(store.next_due().await.unwrap().execution, read(store, id).await.deadline_at, "but it may time out");

    resume(store, id).await;
    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(!claimed[0].is_paused);
}

/// What is parked and paused rests, and goes on when it is resumed, with what it waits for.
pub async fn what_is_parked_and_paused_rests_until_it_is_resumed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, Vec::new()).await;
    store.make_due(id).await;
    pause(store, id, None).await;
    assert_eq!(claim(store, worker).await, []);

    resume(store, id).await;
    assert_eq!(ids_of(&claim(store, worker).await), [id]);
}

/// Who claims what is paused is told: here an event has come for it.
pub async fn a_pause_is_told_to_who_claims(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, vec![a_wait("pay", "order.paid")]).await;
    pause(store, id, None).await;
    store.publish(&an_event(&scene.ids, scene.user.id, "order.paid")).await.unwrap();
    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(claimed[0].is_paused);
}

/// A pause survives the death of the owner who was told, and a cancel reaches what is paused.
pub async fn a_pause_survives_its_owner_and_does_not_hold_up_a_cancel(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, next) = (scene.worker(store).await, scene.worker(store).await);
    let id = scene.running(store, owner).await.id;
    pause(store, id, None).await;
    store.take_mail(owner).await.unwrap();
    kill(store, owner, next).await;
    assert!(claim(store, next).await[0].is_paused);

    park(store, next, id, Vec::new()).await;
    store.request_cancel(id).await.unwrap();
    // Another pause does not put it to rest again.
    pause(store, id, None).await;
    let claimed = claim(store, next).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(claimed[0].is_paused && claimed[0].cancel_requested);
}

/// A resume that comes while the execution is being parked is not lost.
pub async fn a_resume_before_the_park_wakes_it(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    pause(store, id, None).await;
    store.take_mail(worker).await.unwrap();
    resume(store, id).await;
    park(store, worker, id, Vec::new()).await;
    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(!claimed[0].is_paused);
}

/// Asked again, a pause stays what it was; a resume of what is not paused changes nothing and wakes nobody.
pub async fn a_second_pause_and_a_second_resume_change_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    pause(store, id, Some("first")).await;
    let first = read(store, id).await.paused;
    store.tick().await;
    assert_eq!(pause(store, id, Some("second")).await, RequestOutcome::Requested);
    assert_eq!(read(store, id).await.paused, first);

    resume(store, id).await;
    store.take_mail(worker).await.unwrap();
    let before = read(store, id).await;
    assert_eq!(resume(store, id).await, RequestOutcome::Requested);
    assert_eq!(store.take_mail(worker).await.unwrap(), []);
    assert_eq!(read(store, id).await, before);
}

/// What has ended is not paused, and what does not exist is unknown.
pub async fn what_has_ended_or_is_unknown_is_not_paused(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let running = scene.running(store, worker).await;
    pause(store, running.id, Some("it ends all the same")).await;
    finish(store, worker, a_completion(&running)).await;
    let ended = read(store, running.id).await;
    assert_eq!(ended.paused, None);

    assert_eq!(pause(store, running.id, None).await, RequestOutcome::Ended);
    assert_eq!(resume(store, running.id).await, RequestOutcome::Ended);
    assert_eq!(read(store, running.id).await, ended);
    let unknown = scene.nobody(ExecutionId::from_uuid);
    assert_eq!(pause(store, unknown, None).await, RequestOutcome::Unknown);
    assert_eq!(resume(store, unknown).await, RequestOutcome::Unknown);
}

/// A pause that is not committed never was.
pub async fn a_pause_happens_at_the_commit(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let id = scene.accept(store, 1).await[0];
    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.executions().pause(id, None).await.unwrap(), RequestOutcome::Requested);
    drop(uow);
    assert_eq!(read(store, id).await.paused, None);
}
