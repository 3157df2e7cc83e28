//! The rules of parking: an execution that only waits belongs to nobody, and misses nothing.

use turbocat_domain::{
    execution::ExecutionStatus,
    port::{JournalBatch, NewEvent, NewExecution, ParkedExecution, WaitRecord},
};

use super::{
    ContractStore, Scene,
    scene::{a_wait, claim, commit, far_future, far_past, ids_of, park, status, write},
};
use crate::builder::{a_completion, a_new_child, a_record, an_event};

/// A parked execution is claimable when its time has come, and not before; it is running all the while.
pub async fn a_parked_execution_is_claimable_when_it_is_due(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    write(store, worker, &[a_record(id, "a", 1)]).await;
    park(store, worker, id, Vec::new()).await;

    assert_eq!(claim(store, worker).await, []);
    assert_eq!(store.next_due().await.unwrap().execution, Some(far_future()));
    assert_eq!(status(store, id).await, ExecutionStatus::Running);
    store.make_due(id).await;
    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert_eq!(claimed[0].records, [a_record(id, "a", 1)]);
}

/// An execution that is parked until a time that is past is claimable at once.
pub async fn what_is_due_when_it_is_parked_is_claimable_at_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let parked = vec![ParkedExecution { id, wake_at: far_past(), waits: Vec::new() }];
    commit(store, worker, JournalBatch { parked, ..JournalBatch::default() }).await;
    assert_eq!(ids_of(&claim(store, worker).await), [id]);
}

/// Who parked an execution can no longer write to it.
pub async fn a_parked_execution_is_nobodys(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, Vec::new()).await;
    write(store, worker, &[a_record(id, "late", 1)]).await;
    assert_eq!(store.executions().step_records(id).await.unwrap(), []);
}

/// A park that is sent again does not take the execution from who owns it by now.
pub async fn a_repeated_park_leaves_the_next_owner_alone(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (first, second) = (scene.worker(store).await, scene.worker(store).await);
    let id = scene.running(store, first).await.id;
    park(store, first, id, Vec::new()).await;
    store.make_due(id).await;
    assert_eq!(ids_of(&claim(store, second).await), [id]);

    park(store, first, id, Vec::new()).await;
    write(store, second, &[a_record(id, "a", 1)]).await;
    assert_eq!(store.executions().step_records(id).await.unwrap().len(), 1);
}

/// Mail that nobody took is kept when the execution is parked: it is claimable at once.
pub async fn mail_is_kept_when_an_execution_is_parked(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    store.request_cancel(id).await.unwrap();
    park(store, worker, id, Vec::new()).await;

    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [id]);
    assert!(claimed[0].cancel_requested);
}

/// Mail that was taken before does not wake what is parked afterwards.
pub async fn mail_that_was_taken_wakes_nobody(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    store.request_cancel(id).await.unwrap();
    assert_eq!(store.take_mail(worker).await.unwrap().len(), 1);
    park(store, worker, id, Vec::new()).await;
    assert_eq!(claim(store, worker).await, []);
}

/// A child that ends in the batch in which its parent is parked wakes it.
pub async fn a_child_that_ends_with_the_park_of_its_parent_wakes_it(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let parent = scene.running(store, worker).await.id;
    store.insert(&[a_new_child(&scene.ids, &scene.workflow, parent, "call")], None).await.unwrap();
    let child = claim(store, worker).await.remove(0);
    commit(
        store,
        worker,
        JournalBatch {
            records: Vec::new(),
            finished: vec![a_completion(&child)],
            parked: vec![ParkedExecution { id: parent, wake_at: far_future(), waits: Vec::new() }],
        },
    )
    .await;
    assert_eq!(ids_of(&claim(store, worker).await), [parent]);
}

/// An event that came before the park counts, if it is not older than the wait allows.
pub async fn an_event_before_the_park_counts(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    store.publish(&an_event(&scene.ids, scene.user.id, "order.paid")).await.unwrap();
    store.tick().await;

    let told = scene.running(store, worker).await.id;
    park(store, worker, told, vec![a_wait("pay", "order.paid")]).await;
    assert_eq!(ids_of(&claim(store, worker).await), [told]);

    let later = scene.running(store, worker).await.id;
    park(store, worker, later, vec![WaitRecord { since: far_future(), ..a_wait("pay", "order.paid") }]).await;
    let other = scene.running(store, worker).await.id;
    park(store, worker, other, vec![a_wait("pay", "order.shipped")]).await;
    assert_eq!(claim(store, worker).await, []);
}

/// An event that another user sent before the park does not count, neither for all nor for this step alone.
pub async fn an_event_of_another_user_before_the_park_does_not_count(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (worker, stranger) = (scene.worker(store).await, scene.another_user(store).await);
    let id = scene.running(store, worker).await.id;
    for target in [None, Some((id, "ask".to_owned()))] {
        store.publish(&NewEvent { target, ..an_event(&scene.ids, stranger.id, "approval") }).await.unwrap();
    }
    store.tick().await;
    park(store, worker, id, vec![a_wait("ask", "approval")]).await;
    assert_eq!(claim(store, worker).await, []);

    // What counts is whose the execution is: for that of the stranger they are there.
    let theirs = NewExecution { user_id: stranger.id, ..scene.new_execution() };
    store.insert(std::slice::from_ref(&theirs), Some(worker)).await.unwrap();
    park(store, worker, theirs.id, vec![a_wait("ask", "approval")]).await;
    assert_eq!(ids_of(&claim(store, worker).await), [theirs.id]);
}

/// A wait that is registered while its event comes in is not missed, however the two meet.
pub async fn a_wait_that_meets_its_event_is_not_missed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    for round in 0..20 {
        let new = NewExecution { ..scene.new_execution() };
        store.insert(std::slice::from_ref(&new), Some(worker)).await.unwrap();
        let name = format!("event-{round}");
        let waits = vec![a_wait("pay", &name)];
        let parked = vec![ParkedExecution { id: new.id, wake_at: far_future(), waits }];
        let batch = JournalBatch { parked, ..JournalBatch::default() };
        let event = an_event(&scene.ids, scene.user.id, &name);

        let (committed, published) = tokio::join!(store.commit(worker, &batch), store.publish(&event));
        committed.unwrap();
        published.unwrap();
        assert_eq!(ids_of(&claim(store, worker).await), [new.id], "round {round}");
    }
}
