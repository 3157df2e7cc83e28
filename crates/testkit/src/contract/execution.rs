//! The rules of reading and deleting executions.

use chrono::TimeDelta;
use serde_json::Value;
use turbocat_domain::{
    execution::{ExecutionStatus, TriggerType},
    execution_log::{ExecutionLog, LogLevel},
    id::ExecutionId,
    port::{Cursor, ExecutionFilter, LogFilter, NewExecution, PageRequest, RepositoryError},
    value::StepKey,
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish, write},
};
use crate::builder::{a_completion, a_line, a_user, a_workflow};

/// Executions are listed newest first, whole and without repetition, without what they were given and answered.
pub async fn executions_are_listed_in_pages_without_payloads(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    // Some at one moment, some later.
    let batch: Vec<NewExecution> = (0..4).map(|_| scene.new_execution()).collect();
    store.insert(&batch, None).await.unwrap();
    store.tick().await;
    let mut expected = scene.accept(store, 3).await;
    expected.extend(batch.iter().map(|new| new.id));
    expected.sort();

    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit: 2, after };
        let page = store.executions().list(&ExecutionFilter::default(), request).await.unwrap();
        assert!(page.items.iter().all(|one| one.input_data == Value::Null && one.output_data == Value::Null));
        read.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(read.is_sorted_by(|a, b| (a.created_at, a.id) > (b.created_at, b.id)), "newest first");
    let mut ids: Vec<ExecutionId> = read.iter().map(|one| one.id).collect();
    ids.sort();
    assert_eq!(ids, expected);
}

/// Executions are filtered by user, version of the workflow and status.
pub async fn executions_are_filtered(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let running = scene.running(store, worker).await.id;
    let other = a_user(&scene.ids);
    let (workflow, steps) = a_workflow(&scene.ids, &scene.agent, &["a"]);
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&other).await.unwrap();
    uow.workflows().insert(&workflow, &steps).await.unwrap();
    uow.commit().await.unwrap();
    let pending = NewExecution {
        user_id: other.id,
        workflow_id: workflow.id,
        parent: Some((running, "a".to_owned())),
        depth: 1,
        trigger_type: TriggerType::Webhook,
        ..scene.new_execution()
    };
    store.tick().await;
    store.insert(std::slice::from_ref(&pending), None).await.unwrap();
    let accepted_at = store.executions().get(pending.id).await.unwrap().created_at;

    let all = ExecutionFilter::default();
    for (filter, expected) in [
        (ExecutionFilter { user: Some(other.id), ..all.clone() }, pending.id),
        (ExecutionFilter { workflow: Some(workflow.id), ..all.clone() }, pending.id),
        (ExecutionFilter { status: Some(ExecutionStatus::Pending), ..all.clone() }, pending.id),
        (ExecutionFilter { status: Some(ExecutionStatus::Running), ..all.clone() }, running),
        (ExecutionFilter { parent: Some(running), ..all.clone() }, pending.id),
        (ExecutionFilter { trigger: Some(TriggerType::Webhook), ..all.clone() }, pending.id),
        (ExecutionFilter { created_from: Some(accepted_at), ..all.clone() }, pending.id),
        (ExecutionFilter { created_before: Some(accepted_at), ..all.clone() }, running),
        (ExecutionFilter { user: Some(scene.user.id), ..all }, running),
    ] {
        let page = store.executions().list(&filter, PageRequest::default()).await.unwrap();
        assert_eq!(page.items.iter().map(|one| one.id).collect::<Vec<_>>(), [expected], "{filter:?}");
    }
}

/// A log is read oldest first, in pages, from a level on and of one step.
pub async fn a_log_is_read_oldest_first(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let id = scene.accept(store, 1).await[0];
    let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];
    let lines: Vec<ExecutionLog> = (0i64..)
        .zip(levels)
        .map(|(number, level)| {
            let line = a_line(&scene.ids, id, level.as_str());
            let step_key = if number == 3 { Some(StepKey::parse("fetch").unwrap()) } else { None };
            // Two at a time share a moment.
            ExecutionLog { level, step_key, created_at: line.created_at + TimeDelta::seconds(number / 2), ..line }
        })
        .collect();
    let mut shuffled = lines.clone();
    shuffled.rotate_left(2);
    store.append(&shuffled).await.unwrap();

    let logs = async |filter: LogFilter, limit, after: Option<&ExecutionLog>| {
        let after = after.map(|line| Cursor { created_at: line.created_at, id: line.id.as_uuid() });
        store.executions().logs(id, &filter, PageRequest { limit, after }).await.unwrap()
    };
    let first = logs(LogFilter::default(), 3, None).await;
    assert_eq!(first.items, lines[..3]);
    assert!(first.next.is_some());
    let rest = logs(LogFilter::default(), 3, Some(&lines[2])).await;
    assert_eq!((rest.items, rest.next), (lines[3..].to_vec(), None));
    let warnings = LogFilter { min_level: Some(LogLevel::Warn), ..LogFilter::default() };
    assert_eq!(logs(warnings, 50, None).await.items, lines[2..]);
    let of_fetch = LogFilter { step_key: Some("fetch".to_owned()), ..LogFilter::default() };
    assert_eq!(logs(of_fetch, 50, None).await.items, lines[3..4]);
}

/// Ended executions are deleted with their journals and logs; the others stay, and so does all when it is undone.
pub async fn only_ended_executions_are_deleted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let ended = scene.running(store, worker).await;
    write(store, worker, &[scene.record(ended.id, 0, 1)]).await;
    finish(store, worker, a_completion(&ended)).await;
    let pending = scene.accept(store, 1).await[0];
    let ids = [ended.id, pending, scene.nobody(ExecutionId::from_uuid)];

    let mut undone = store.begin().await.unwrap();
    assert_eq!(undone.executions().delete_ended(&ids).await.unwrap(), 1);
    drop(undone);
    assert_eq!(store.executions().step_records(ended.id).await.unwrap().len(), 1);

    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.executions().delete_ended(&ids).await.unwrap(), 1);
    assert_eq!(uow.executions().delete_ended(&ids).await.unwrap(), 0);
    uow.commit().await.unwrap();
    assert!(matches!(store.executions().get(ended.id).await, Err(RepositoryError::NotFound { .. })));
    assert_eq!(store.executions().step_records(ended.id).await.unwrap(), []);
    let log = store.executions().logs(ended.id, &LogFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(log.items, []);
    assert_eq!(claim(store, worker).await[0].id, pending);
}
