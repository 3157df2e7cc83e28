//! The rules of the queue.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;
use turbocat_domain::{
    execution::{DETACHED, ExecutionStatus},
    id::{ExecutionId, WorkerId, WorkflowId},
    port::{ClaimRequest, FinishedExecution, NewExecution, RepositoryError, WaitRecord},
    step_run::StepError,
};

use super::{
    ContractStore, Scene,
    scene::{a_wait, claim, claim_some, far_future, finish, ids_of, kill, park, read, status, write},
};
use crate::builder::{TIMEOUT_MS, a_completion, a_new_child, a_record, a_workflow};

/// What is accepted without an owner is pending, and the first who asks gets it as it was accepted.
pub async fn an_accepted_execution_is_pending_until_it_is_claimed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let new = scene.new_execution();
    store.accept(vec![new.clone()]).await.unwrap();

    let accepted = read(store, new.id).await;
    assert_eq!(accepted.status, ExecutionStatus::Pending);
    assert_eq!(accepted.started_at, None);
    assert_eq!(
        (accepted.input_data, accepted.trigger_data, accepted.steps_total),
        (new.input.clone(), new.trigger_data.clone(), new.steps_total)
    );

    let claimed = claim(store, worker).await;
    assert_eq!(ids_of(&claimed), [new.id]);
    let got = &claimed[0];
    assert_eq!((got.workflow_id, got.user_id, got.trigger_type), (new.workflow_id, new.user_id, new.trigger_type));
    assert_eq!((&got.trigger_data, &got.input), (&new.trigger_data, &new.input));
    assert_eq!((got.depth, &got.parent, got.takeovers, got.cancel_requested), (0, &None, 0, false));
    assert_eq!(got.records, []);
    let running = read(store, new.id).await;
    assert_eq!((running.status, running.started_at), (ExecutionStatus::Running, Some(got.started_at)));
}

/// With an owner that is alive, executions are born running and owned by it.
pub async fn an_execution_with_a_living_owner_is_born_running(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let new = scene.new_execution();
    let (inserted_at, is_born_running) = store.insert(std::slice::from_ref(&new), Some(owner)).await.unwrap();

    assert!(is_born_running);
    assert_eq!(claim(store, other).await, []);
    let born = read(store, new.id).await;
    assert_eq!((born.status, born.started_at), (ExecutionStatus::Running, Some(inserted_at)));

    kill(store, owner, other).await;
    let claimed = claim(store, other).await;
    assert_eq!(ids_of(&claimed), [new.id]);
    assert_eq!(claimed[0].started_at, inserted_at);
    let timeout = TimeDelta::milliseconds(i64::try_from(TIMEOUT_MS).unwrap());
    assert_eq!(claimed[0].deadline_at, inserted_at + timeout);
}

/// With an owner that is dead or unknown, executions are pending and claimable.
pub async fn an_execution_with_a_dead_owner_is_claimable(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, alive) = (scene.worker(store).await, scene.worker(store).await);
    store.release(dead).await.unwrap();

    for owner in [dead, scene.nobody(WorkerId::from_uuid)] {
        let new = scene.new_execution();
        let (_, owned) = store.insert(std::slice::from_ref(&new), Some(owner)).await.unwrap();
        assert!(!owned);
        assert_eq!(status(store, new.id).await, ExecutionStatus::Pending);
        assert_eq!(ids_of(&claim(store, alive).await), [new.id]);
    }
}

/// A child of one parent and path exists once: a second is left out, and the rest of its batch is inserted.
pub async fn a_child_that_exists_is_left_as_it_is(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let parent = scene.accept(store, 1).await[0];
    let first = NewExecution { input: json!(1), ..a_new_child(&scene.ids, &scene.workflow, parent, "map[0].call") };
    let again = NewExecution { input: json!(2), ..a_new_child(&scene.ids, &scene.workflow, parent, "map[0].call") };
    let sibling = a_new_child(&scene.ids, &scene.workflow, parent, "map[1].call");
    store.insert(std::slice::from_ref(&first), None).await.unwrap();
    // The very same batch again (its reply was lost), and one that overlaps with it.
    store.insert(std::slice::from_ref(&first), None).await.unwrap();
    store.insert(&[again.clone(), sibling.clone()], None).await.unwrap();

    let stored = read(store, first.id).await;
    assert_eq!((stored.input_data, stored.parent, stored.depth), (json!(1), first.parent, 1));
    assert!(matches!(store.executions().get(again.id).await, Err(RepositoryError::NotFound { .. })));
    assert_eq!(status(store, sibling.id).await, ExecutionStatus::Pending);
}

/// A child whose parent has ended is not begun: who inserts it was the parent's owner once, and is late.
pub async fn a_child_of_what_has_ended_is_left_out(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let parent = scene.running(store, worker).await;
    let of_parent = |path| a_new_child(&scene.ids, &scene.workflow, parent.id, path);
    let (early, late, other) = (of_parent("early"), of_parent("late"), scene.new_execution());
    store.insert(std::slice::from_ref(&early), None).await.unwrap();
    finish(store, worker, a_completion(&parent)).await;

    store.insert(&[early.clone(), late.clone(), other.clone()], None).await.unwrap();

    assert_eq!(status(store, early.id).await, ExecutionStatus::Pending);
    assert_eq!(status(store, other.id).await, ExecutionStatus::Pending);
    assert!(matches!(store.executions().get(late.id).await, Err(RepositoryError::NotFound { .. })));
}

/// An insert whose answer was lost is repeated, whatever has become of the executions meanwhile, and changes nothing.
pub async fn a_repeated_insert_changes_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let batch = [scene.new_execution(), scene.new_execution(), scene.new_execution()];
    let (inserted_at, _) = store.insert(&batch, None).await.unwrap();
    let claimed = claim(store, worker).await;
    let parked = vec![WaitRecord { since: far_future(), ..a_wait("a", "e") }];
    park(store, worker, claimed[0].id, parked).await;
    finish(store, worker, a_completion(&claimed[1])).await;
    let before = [read(store, batch[0].id).await, read(store, batch[1].id).await, read(store, batch[2].id).await];

    for owner in [None, Some(worker)] {
        store.tick().await;
        let again = batch.clone().map(|new| NewExecution { input: json!("another"), ..new });
        assert_eq!(store.insert(&again, owner).await.unwrap(), (inserted_at, false));
    }
    for (new, before) in batch.iter().zip(before) {
        assert_eq!(read(store, new.id).await, before);
    }
    assert_eq!(claim(store, worker).await, []);
    write(store, worker, &[a_record(claimed[2].id, "a", 1)]).await;
    assert_eq!(store.executions().step_records(claimed[2].id).await.unwrap().len(), 1, "it is still the worker's");
}

/// A repeated insert tells whether the owner has the executions: from the first on, until it has lost one of them.
pub async fn a_repeated_insert_tells_whether_the_owner_has_them(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let batch = [scene.new_execution(), scene.new_execution()];
    let first = store.insert(&batch, Some(owner)).await.unwrap();
    store.tick().await;

    assert!(first.1);
    assert_eq!(store.insert(&batch, Some(owner)).await.unwrap(), first);
    assert_eq!(store.insert(&batch[..1], Some(owner)).await.unwrap(), first);
    assert_eq!(store.insert(&batch, Some(other)).await.unwrap(), (first.0, false));
    assert_eq!(store.insert(&batch, None).await.unwrap(), (first.0, false));
    assert_eq!(store.release_unknown(owner, &[batch[0].id]).await.unwrap(), 1);
    assert_eq!(store.insert(&batch, Some(owner)).await.unwrap(), (first.0, false), "one of them is nobody's");
    assert_eq!(store.insert(&batch[..1], Some(owner)).await.unwrap(), first);
    kill(store, owner, other).await;
    assert_eq!(store.insert(&batch[..1], Some(owner)).await.unwrap(), (first.0, false), "the dead own nothing");
    assert_eq!(claim(store, other).await.len(), 2);
}

/// What is missing of a batch that stands in part is inserted without an owner, who has not all of it.
pub async fn what_is_missing_of_a_batch_is_inserted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let parent = scene.accept(store, 1).await[0];
    let stands = scene.new_execution();
    let child = a_new_child(&scene.ids, &scene.workflow, parent, "call");
    let first = store.insert(&[stands.clone(), child.clone()], Some(owner)).await.unwrap();
    store.tick().await;

    let same_child = a_new_child(&scene.ids, &scene.workflow, parent, "call");
    let missing = [scene.new_execution(), scene.new_execution()];
    let part = [missing[0].clone(), stands, child.clone()];
    assert_eq!(store.insert(&part, Some(owner)).await.unwrap(), (first.0, false));
    let (_, are_owned) = store.insert(&[missing[1].clone(), same_child.clone()], Some(owner)).await.unwrap();
    assert!(!are_owned, "the child that stands has another id");
    assert!(matches!(store.executions().get(same_child.id).await, Err(RepositoryError::NotFound { .. })));

    let mut expected = vec![parent, missing[0].id, missing[1].id];
    expected.sort();
    assert_eq!(ids_of(&claim(store, other).await), expected);
}

/// An id that stands with another workflow or user is refused, and stays as it is.
pub async fn an_id_of_something_else_is_refused(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let stranger = scene.another_user(store).await;
    let (workflow, steps) = a_workflow(&scene.ids, &scene.agent, &["a"]);
    let mut uow = store.begin().await.unwrap();
    uow.workflows().insert(&workflow, &steps).await.unwrap();
    uow.commit().await.unwrap();
    let id = scene.accept(store, 1).await[0];
    let before = read(store, id).await;

    for other in [
        NewExecution { id, user_id: stranger.id, ..scene.new_execution() },
        NewExecution { id, workflow_id: workflow.id, ..scene.new_execution() },
    ] {
        let refused = store.insert(&[other], None).await;
        assert!(matches!(refused, Err(RepositoryError::AlreadyExists { .. })), "{refused:?}");
    }
    assert_eq!(read(store, id).await, before);
}

/// A batch with an execution that cannot be inserted leaves nothing behind.
pub async fn a_batch_is_inserted_as_a_whole_or_not_at_all(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let stored = scene.accept(store, 1).await[0];
    let fine = scene.new_execution();
    let stranger = scene.another_user(store).await;
    let twice = NewExecution { id: stored, user_id: stranger.id, ..scene.new_execution() };
    let lost = NewExecution { workflow_id: scene.nobody(WorkflowId::from_uuid), ..scene.new_execution() };

    let refused = store.insert(&[fine.clone(), twice], None).await;
    assert!(matches!(refused, Err(RepositoryError::AlreadyExists { .. })), "{refused:?}");
    let refused = store.insert(&[fine.clone(), lost], None).await;
    assert!(matches!(refused, Err(RepositoryError::BrokenReference { .. })), "{refused:?}");
    assert!(matches!(store.executions().get(fine.id).await, Err(RepositoryError::NotFound { .. })));
}

/// Workers that claim at once never get the same execution, and nothing is left behind.
pub async fn claims_are_disjoint(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let batch: Vec<NewExecution> = (0..100).map(|_| scene.new_execution()).collect();
    store.insert(&batch, None).await.unwrap();
    let workers = [scene.worker(store).await, scene.worker(store).await, scene.worker(store).await];

    let mut claimed: Vec<ExecutionId> = Vec::new();
    // A claim that meets rows which another is just taking may get fewer than it asked for.
    for _ in 0..10 {
        let request = |worker| ClaimRequest { worker, limit: 40 };
        let (one, two, three) = tokio::join!(
            store.claim(request(workers[0])),
            store.claim(request(workers[1])),
            store.claim(request(workers[2])),
        );
        claimed.extend([one, two, three].into_iter().flat_map(Result::unwrap).map(|claimed| claimed.id));
        if claimed.len() >= batch.len() {
            break;
        }
    }
    assert_eq!(claimed.len(), batch.len());
    let distinct: BTreeSet<ExecutionId> = claimed.into_iter().collect();
    assert_eq!(distinct, batch.iter().map(|new| new.id).collect());
}

/// The longest due are claimed first, and no more than were asked for.
pub async fn the_longest_due_are_claimed_first(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let accepted = scene.accept(store, 5).await;

    assert_eq!(ids_of(&claim_some(store, worker, 2).await), accepted[..2]);
    assert_eq!(ids_of(&claim_some(store, worker, 2).await), accepted[2..4]);
    assert_eq!(ids_of(&claim_some(store, worker, 2).await), accepted[4..]);
    assert_eq!(claim_some(store, worker, 2).await, []);
}

/// A worker that is marked dead, and one that never registered, get nothing.
pub async fn a_dead_worker_gets_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, alive) = (scene.worker(store).await, scene.worker(store).await);
    let accepted = scene.accept(store, 2).await;
    kill(store, dead, alive).await;

    assert_eq!(claim(store, dead).await, []);
    assert_eq!(claim(store, scene.nobody(WorkerId::from_uuid)).await, []);
    assert_eq!(ids_of(&claim(store, alive).await), accepted);
}

/// What a worker owns and knows nothing of (the reply to its claim was lost) is handed back; what it knows stays.
pub async fn what_its_owner_does_not_know_is_handed_back(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (worker, other) = (scene.worker(store).await, scene.worker(store).await);
    let known = scene.running(store, worker).await.id;
    let lost = scene.accept(store, 2).await;
    claim(store, worker).await;
    let foreign = scene.running(store, other).await.id;

    assert_eq!(store.release_unknown(worker, &[known, foreign]).await.unwrap(), 2);
    assert_eq!(store.release_unknown(worker, &[known, foreign]).await.unwrap(), 0);
    let claimed = claim(store, other).await;
    assert_eq!(ids_of(&claimed), lost);
    assert!(claimed.iter().all(|execution| execution.takeovers == 0), "nobody died of it");
    write(store, worker, &[a_record(known, "a", 1)]).await;
    assert_eq!(store.executions().step_records(known).await.unwrap().len(), 1, "it still owns what it knows");
}

/// When an execution began and when it times out are the same at every claim.
pub async fn the_start_and_the_deadline_are_the_same_at_every_claim(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let mut owner = scene.worker(store).await;
    let first = scene.running(store, owner).await;
    let timeout = TimeDelta::milliseconds(i64::try_from(TIMEOUT_MS).unwrap());
    assert!(first.deadline_at <= first.started_at + timeout, "it may not take longer than it may");

    for _ in 0..3 {
        store.tick().await;
        let next = scene.worker(store).await;
        store.release(owner).await.unwrap();
        let again = claim(store, next).await;
        assert_eq!(ids_of(&again), [first.id]);
        assert_eq!((again[0].started_at, again[0].deadline_at), (first.started_at, first.deadline_at));
        owner = next;
    }
}

/// What an execution has recorded comes back with the claim, in the order of `seq`.
pub async fn records_come_back_in_their_order(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, next) = (scene.worker(store).await, scene.worker(store).await);
    let running = scene.running(store, owner).await;
    let records = [(7, "b"), (3, "c[0].x"), (5, "a")].map(|(seq, path)| a_record(running.id, path, seq));
    write(store, owner, &records).await;
    store.release(owner).await.unwrap();

    let claimed = claim(store, next).await;
    let [seven, three, five] = records;
    assert_eq!(claimed[0].records, [three.clone(), five.clone(), seven.clone()]);
    assert_eq!(store.executions().step_records(running.id).await.unwrap(), [three, five, seven]);
}

/// The time at which the next execution becomes due is known, and there is none when nothing waits.
pub async fn the_next_due_time_is_known(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    assert_eq!(store.next_due().await.unwrap().execution, None);

    let (inserted_at, _) = store.insert(&[scene.new_execution()], None).await.unwrap();
    assert_eq!(store.next_due().await.unwrap().execution, Some(inserted_at));

    claim(store, worker).await;
    assert_eq!(store.next_due().await.unwrap().execution, None);
}

/// The children that have ended are told with their output, or with why they did not complete; the others are not, and not
/// those for whose end nobody waits.
pub async fn ended_children_are_told_with_their_results(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let parent = scene.running(store, worker).await.id;
    let paths = ["map[0].call", "map[1].call", "map[2].call", "map[3].call"];
    let mut children = paths.map(|path| a_new_child(&scene.ids, &scene.workflow, parent, path));
    children[3].trigger_data = json!({ DETACHED: true });
    store.insert(&children, None).await.unwrap();
    let claimed = claim(store, worker).await;
    let of = |path: &str| claimed.iter().find(|child| child.parent.as_ref().is_some_and(|(_, at)| at == path));

    let error = StepError::permanent("http_status", "it answered 500");
    finish(store, worker, a_completion(of(paths[0]).unwrap())).await;
    finish(store, worker, a_completion(of(paths[3]).unwrap())).await;
    finish(
        store,
        worker,
        FinishedExecution {
            status: ExecutionStatus::Failed,
            output: serde_json::Value::Null,
            error: Some(error.clone()),
            ..a_completion(of(paths[1]).unwrap())
        },
    )
    .await;

    let mut ended = store.ended_children(&[parent]).await.unwrap();
    ended.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|(of, _)| *of == parent));
    assert_eq!((ended[0].1.path.as_str(), ended[0].1.id), (paths[0], children[0].id));
    assert_eq!(ended[0].1.result, Ok(json!({ "done": true })));
    assert_eq!((ended[1].1.path.as_str(), ended[1].1.id), (paths[1], children[1].id));
    let failure = ended[1].1.result.clone().unwrap_err();
    assert_eq!((failure.code, failure.message), (error.code, error.message));
    assert_eq!(store.ended_children(&[]).await.unwrap(), []);
}
