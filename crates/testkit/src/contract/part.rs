//! The rules of the parts of steps.

use serde_json::json;
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{Cursor, PageRequest, PartKind, PartOutcome, StepPart, StepPlace},
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish, ids_of, kill, park},
};
use crate::builder::a_completion;

/// The step with this path.
fn at(execution_id: ExecutionId, path: &str) -> StepPlace {
    StepPlace { execution_id, path: path.to_owned() }
}

fn a_part(key: &str) -> StepPart {
    StepPart { key: key.to_owned(), kind: PartKind::Turn, data: json!({ "of": key, "n": 1.5, "list": [null, true] }) }
}

/// Records a part, and expects that it stands.
async fn record(store: &dyn ContractStore, worker: WorkerId, step: &StepPlace, part: &StepPart) {
    let outcome = store.record_part(worker, step, (part, None)).await.unwrap();
    assert_eq!(outcome, PartOutcome::Stands(part.data.clone()));
}

/// Parts are read as they were written, in their order, and each step has its own.
pub async fn parts_are_read_in_their_order(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let call = StepPart { kind: PartKind::Call, ..a_part("call.1.1") };
    let parts = [a_part("turn.10"), call, a_part("turn.2")];
    for part in &parts {
        record(store, worker, &at(id, "a"), part).await;
    }
    record(store, worker, &at(id, "b"), &a_part("turn.1")).await;

    assert_eq!(store.parts(&at(id, "a")).await.unwrap(), parts);
    assert_eq!(store.parts(&at(id, "b")).await.unwrap(), [a_part("turn.1")]);
    assert_eq!(store.parts(&at(id, "c")).await.unwrap(), []);
}

/// What stands under a key stays, and whoever comes second is told what it is.
pub async fn the_first_part_of_a_key_stays(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    record(store, worker, &step, &a_part("turn.1")).await;
    let other = StepPart { data: json!("another"), kind: PartKind::Call, ..a_part("turn.1") };

    let outcome = store.record_part(worker, &step, (&other, None)).await.unwrap();
    assert_eq!(outcome, PartOutcome::Stands(a_part("turn.1").data));
    assert_eq!(store.parts(&step).await.unwrap(), [a_part("turn.1")]);
}

/// Of two that record under one key at once, both go on with the same.
pub async fn two_that_record_at_once_agree(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    for round in 0..20 {
        let part = |who: u32| StepPart { data: json!(who), ..a_part(&format!("turn.{round}")) };
        let (one, two) = (part(1), part(2));
        let (first, second) = tokio::join!(
            store.record_part(worker, &step, (&one, None)),
            store.record_part(worker, &step, (&two, None))
        );
        assert_eq!(first.unwrap(), second.unwrap());
    }
    assert_eq!(store.parts(&step).await.unwrap().len(), 20);
}

/// A worker that is marked dead, or was never there, records nothing.
pub async fn a_fenced_worker_records_no_part(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    let step = at(scene.running(store, dead).await.id, "a");
    record(store, dead, &step, &a_part("turn.1")).await;
    kill(store, dead, finder).await;

    for stale in [dead, scene.nobody(WorkerId::from_uuid)] {
        let outcome = store.record_part(stale, &step, (&a_part("turn.2"), None)).await.unwrap();
        assert_eq!(outcome, PartOutcome::Fenced);
    }
    // Not even what stands is told: it must stop.
    assert_eq!(store.record_part(dead, &step, (&a_part("turn.1"), None)).await.unwrap(), PartOutcome::Fenced);
    assert_eq!(ids_of(&claim(store, finder).await), [step.execution_id]);
    record(store, finder, &step, &a_part("turn.2")).await;
    assert_eq!(store.parts(&step).await.unwrap(), [a_part("turn.1"), a_part("turn.2")]);
}

/// Nobody records a part of an execution that is not theirs: another's, one that is parked, ended, or not there.
pub async fn nobody_records_a_part_of_a_foreign_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let running = scene.running(store, owner).await.id;
    let parked = scene.running(store, owner).await.id;
    park(store, owner, parked, Vec::new()).await;
    let ended = scene.running(store, owner).await;
    finish(store, owner, a_completion(&ended)).await;

    let nothing = scene.nobody(ExecutionId::from_uuid);
    for (worker, execution) in [(other, running), (owner, parked), (owner, ended.id), (owner, nothing)] {
        let outcome = store.record_part(worker, &at(execution, "a"), (&a_part("turn.1"), None)).await.unwrap();
        assert_eq!(outcome, PartOutcome::NotOwned);
        assert_eq!(store.parts(&at(execution, "a")).await.unwrap(), []);
    }
}

/// A part is progress: an execution that records some between takeovers is not given up.
pub async fn parts_count_as_progress(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let finder = scene.worker(store).await;
    let mut owner = scene.worker(store).await;
    let id = scene.running(store, owner).await.id;
    let mut takeovers = Vec::new();
    for round in 1..=5 {
        if round == 3 {
            record(store, owner, &at(id, "a"), &a_part("turn.1")).await;
        }
        kill(store, owner, finder).await;
        owner = scene.worker(store).await;
        takeovers.push(claim(store, owner).await[0].takeovers);
    }
    assert_eq!(takeovers, [1, 2, 1, 2, 3]);
}

/// Who looks on sees the parts of all steps in pages, in their order, and of their data what was done.
pub async fn parts_are_listed_with_what_was_done(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let usage = json!({ "input_tokens": 3 });
    let turn = StepPart {
        data: json!({ "provider": "p", "model": "m", "usage": usage, "text": "long", "duration_ms": 7 }),
        ..a_part("turn.1")
    };
    let failed = json!({ "tool": "t", "error": { "code": "c", "message": "m" } });
    let call = StepPart { kind: PartKind::Call, data: failed.clone(), ..a_part("call.1.1") };
    let odd = StepPart { data: json!([1]), ..a_part("turn.1") };
    for (path, part) in [("b", &turn), ("b", &call), ("a", &odd)] {
        record(store, worker, &at(id, path), part).await;
    }
    record(store, worker, &at(scene.running(store, worker).await.id, "b"), &a_part("turn.1")).await;

    let executions = store.executions();
    let first = executions.part_records(id, PageRequest { limit: 2, after: None }).await.unwrap();
    assert!(first.next.is_some());
    let rest = executions.part_records(id, PageRequest { limit: 2, after: first.next }).await.unwrap();
    assert_eq!(rest.next, None);
    let all: Vec<_> = first.items.into_iter().chain(rest.items).collect();
    assert!(all.is_sorted_by_key(|record| (record.seq, record.recorded_at)));
    let seen: Vec<_> = all.into_iter().map(|record| (record.path, record.part.key, record.part.data)).collect();
    let done = json!({ "provider": "p", "model": "m", "usage": usage, "duration_ms": 7 });
    let expected = [("b", "turn.1", done), ("b", "call.1.1", failed), ("a", "turn.1", json!({}))];
    assert_eq!(seen, expected.map(|(path, key, data)| (path.to_owned(), key.to_owned(), data)));
    let beyond = Cursor { created_at: chrono::DateTime::UNIX_EPOCH, id: uuid::Uuid::max() };
    let nothing = executions.part_records(id, PageRequest { limit: 2, after: Some(beyond) }).await.unwrap();
    assert_eq!((nothing.items, nothing.next), (Vec::new(), None));
}

/// Parts go with their execution.
pub async fn parts_are_deleted_with_their_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let ended = scene.running(store, worker).await;
    record(store, worker, &at(ended.id, "a"), &a_part("turn.1")).await;
    finish(store, worker, a_completion(&ended)).await;
    let staying = scene.running(store, worker).await.id;
    record(store, worker, &at(staying, "a"), &a_part("turn.1")).await;

    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.executions().delete_ended(&[ended.id, staying]).await.unwrap(), 1);
    uow.commit().await.unwrap();
    assert_eq!(store.parts(&at(ended.id, "a")).await.unwrap(), []);
    assert_eq!(store.parts(&at(staying, "a")).await.unwrap(), [a_part("turn.1")]);
}
