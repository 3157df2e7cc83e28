//! The rules of the journal.

use serde_json::{Value, json};
use turbocat_domain::{
    execution::ExecutionStatus,
    execution_log::{ExecutionLog, LogLevel, StepStatus},
    id::{ExecutionId, WorkerId},
    port::{CommitOutcome, FinishedExecution, JournalBatch, LogFilter, PageRequest, ParkedExecution},
    step_run::{SkipReason, StepError, StepOutcome, StepRecord},
    value::StepKey,
};

use super::{
    ContractStore, Scene,
    scene::{claim, commit, far_future, finish, kill, park, read, status, write},
};
use crate::builder::{a_completion, a_line, a_new_child, a_record, a_running_record};

/// A step that is committed is read as it was written, whatever it ended with.
pub async fn a_committed_step_is_read_as_it_was_written(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let failure =
        StepError { retry_after_ms: Some(500), origin: Some("c[0].x".to_owned()), ..StepError::transient("t", "m") };
    let outcomes = [
        StepOutcome::Completed(json!({ "text": "ü \u{1F600}", "n": 1.5, "list": [null, true, {}] })),
        StepOutcome::Completed(Value::Null),
        StepOutcome::Failed(failure),
        StepOutcome::Skipped(SkipReason::DependencySkipped),
    ];
    let ended = (1..).zip(outcomes).map(|(seq, outcome)| StepRecord { outcome, ..scene.record(id, 0, seq) });
    let mut records: Vec<StepRecord> =
        ended.map(|record| StepRecord { path: format!("c[{}].x", record.seq), ..record }).collect();
    records.push(a_running_record(id, "fan.left.check", 9));
    write(store, worker, &records).await;

    assert_eq!(store.executions().step_records(id).await.unwrap(), records);
}

/// A batch that is sent again changes nothing: no record, no line of the log, no metric.
pub async fn a_repeated_batch_changes_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let running = scene.running(store, worker).await;
    let records = vec![scene.record(running.id, 0, 1), scene.record(running.id, 1, 2)];
    let steps = JournalBatch { records, ..JournalBatch::default() };
    let end = JournalBatch { finished: vec![a_completion(&running)], ..steps.clone() };

    for batch in [&steps, &steps, &end, &end, &steps] {
        assert_eq!(store.commit(worker, batch).await.unwrap(), CommitOutcome::Committed);
    }
    assert_eq!(store.executions().step_records(running.id).await.unwrap(), steps.records);
    assert_eq!(step_lines(store, running.id).await.len(), 2);
    store.fold().await.unwrap();
    assert_eq!(store.agents().get(scene.agent.id).await.unwrap().total_executions, 2);
    assert_eq!(store.workflows().get(scene.workflow.id).await.unwrap().total_executions, 1);
}

/// A `running` record gives way to the end of the same attempt.
pub async fn a_running_record_gives_way_to_its_end(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let end = StepRecord { seq: 2, ..a_record(id, "a", 1) };
    write(store, worker, &[a_running_record(id, "a", 1)]).await;
    assert_eq!(step_lines(store, id).await.len(), 0, "what runs is not in the log");
    write(store, worker, std::slice::from_ref(&end)).await;

    assert_eq!(store.executions().step_records(id).await.unwrap(), [end]);
    assert_eq!(step_lines(store, id).await.len(), 1);
}

/// What is new for who looks on is what has ended, from a place in the order on, and behind it what runs; no output.
pub async fn news_are_what_has_ended_from_a_place_on_and_what_runs(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let light =
        |path: &str, seq| StepRecord { outcome: StepOutcome::Completed(Value::Null), ..a_record(id, path, seq) };
    let (running, failed) = (
        a_running_record(id, "r", 1),
        StepRecord { outcome: StepOutcome::Failed(StepError::permanent("c", "m")), ..a_record(id, "f", 5) },
    );
    write(store, worker, &[a_record(id, "b", 2), running.clone(), a_record(id, "a", 3), failed.clone()]).await;
    let news = async |from, limit| store.executions().step_news(id, from, limit).await.unwrap();

    assert_eq!(news(0, 9).await, [light("b", 2), light("a", 3), failed.clone(), running.clone()]);
    assert_eq!(news(0, 1).await, [light("b", 2), running.clone()]);
    assert_eq!(news(3, 1).await, [light("a", 3), running.clone()]);
    assert_eq!(news(6, 9).await, [running]);
    assert_eq!(store.executions().step_news(scene.nobody(ExecutionId::from_uuid), 0, 9).await.unwrap(), []);
}

/// An end never gives way: neither to `running`, nor to another end.
pub async fn an_end_never_gives_way(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let end = a_record(id, "a", 1);
    let other = StepRecord { outcome: StepOutcome::Completed(json!("another")), ..end.clone() };
    for record in [&end, &a_running_record(id, "a", 1), &other] {
        write(store, worker, std::slice::from_ref(record)).await;
    }
    assert_eq!(store.executions().step_records(id).await.unwrap(), [end]);
}

/// Each attempt has a record of its own.
pub async fn attempts_are_recorded_apart(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let error = StepError::transient("http_status", "it answered 503");
    let first = StepRecord { outcome: StepOutcome::Failed(error), ..a_record(id, "a", 1) };
    let second = StepRecord { attempt: 2, ..a_record(id, "a", 2) };
    write(store, worker, &[first.clone(), second.clone()]).await;
    assert_eq!(store.executions().step_records(id).await.unwrap(), [first, second]);
}

/// An attempt that ended is a line of the execution's log, at a level that fits its end.
pub async fn an_ended_attempt_is_a_line_of_the_log(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let error = StepError::permanent("refused", "it was refused");
    let failed = StepRecord { outcome: StepOutcome::Failed(error), ..scene.record(id, 1, 2) };
    let record = StepRecord { path: "collect[3].fetch".to_owned(), ..scene.record(id, 0, 1) };
    write(store, worker, &[record.clone(), failed]).await;

    let mut lines = step_lines(store, id).await;
    lines.sort_by_key(|line| line.step_key.clone());
    assert_eq!(lines.len(), 2, "one line each: {lines:?}");
    let (fetch, sum) = (&lines[0], &lines[1]);
    assert_eq!(fetch.step_key.as_ref().map(StepKey::as_str), Some("fetch"));
    assert_eq!((fetch.level, fetch.step_status), (LogLevel::Info, Some(StepStatus::Completed)));
    assert_eq!(fetch.workflow_step_id, record.workflow_step_id);
    assert_eq!((fetch.step_started_at, fetch.step_completed_at), (Some(record.started_at), record.ended_at));
    assert_eq!(fetch.step_duration_ms, Some(40));
    assert_eq!((sum.level, sum.step_status), (LogLevel::Error, Some(StepStatus::Failed)));
    assert!(sum.message.contains("it was refused"), "{}", sum.message);
}

/// A fenced worker writes nothing: no record, no end, and nothing is parked.
pub async fn a_fenced_worker_writes_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (dead, finder) = (scene.worker(store).await, scene.worker(store).await);
    let one = scene.running(store, dead).await;
    let two = scene.running(store, dead).await;
    kill(store, dead, finder).await;
    let batch = JournalBatch {
        records: vec![scene.record(one.id, 0, 1)],
        finished: vec![a_completion(&one)],
        parked: vec![ParkedExecution { id: two.id, wake_at: far_future(), waits: Vec::new() }],
    };

    for worker in [dead, scene.nobody(WorkerId::from_uuid)] {
        assert_eq!(store.commit(worker, &batch).await.unwrap(), CommitOutcome::Fenced);
    }
    assert_eq!(store.executions().step_records(one.id).await.unwrap(), []);
    assert_eq!(status(store, one.id).await, ExecutionStatus::Running);
    assert_eq!(claim(store, finder).await.len(), 2, "both are still claimable");
    assert_eq!(store.fold().await.unwrap(), 0);
}

/// What another worker owns is left as it is, and the rest of the batch is written.
pub async fn a_foreign_execution_is_left_as_it_is(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let foreign = scene.running(store, owner).await;
    let own = scene.running(store, other).await;
    let unknown = scene.nobody(ExecutionId::from_uuid);
    let pending = scene.accept(store, 1).await[0];
    let end = |id| FinishedExecution { id, ..a_completion(&foreign) };
    commit(
        store,
        other,
        JournalBatch {
            records: [foreign.id, own.id, pending, unknown].map(|id| scene.record(id, 0, 1)).to_vec(),
            finished: [foreign.id, pending, unknown].map(end).to_vec(),
            parked: Vec::new(),
        },
    )
    .await;
    park(store, other, foreign.id, Vec::new()).await;

    assert_eq!(store.executions().step_records(own.id).await.unwrap().len(), 1);
    for id in [foreign.id, pending, unknown] {
        assert_eq!(store.executions().step_records(id).await.unwrap(), [], "{id}");
    }
    assert_eq!(status(store, foreign.id).await, ExecutionStatus::Running);
    assert_eq!(status(store, pending).await, ExecutionStatus::Pending);
    write(store, owner, &[scene.record(foreign.id, 0, 1)]).await;
    assert_eq!(store.executions().step_records(foreign.id).await.unwrap().len(), 1, "its owner still has it");
}

/// The end of an execution is durable as it was told, and nobody owns or claims it afterwards.
pub async fn a_finished_execution_is_read_as_it_ended(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let ends =
        [ExecutionStatus::Completed, ExecutionStatus::Failed, ExecutionStatus::Cancelled, ExecutionStatus::Timeout];
    for end in ends {
        let running = scene.running(store, worker).await;
        let failure =
            StepError { origin: Some("fetch".to_owned()), ..StepError::permanent("timeout", "it took too long") };
        let error = if end == ExecutionStatus::Completed { None } else { Some(failure) };
        let output = if error.is_some() { Value::Null } else { json!({ "url": "x" }) };
        let finished = FinishedExecution {
            status: end,
            output: output.clone(),
            error: error.clone(),
            steps_failed: 1,
            ..a_completion(&running)
        };
        finish(store, worker, finished.clone()).await;

        let ended = read(store, running.id).await;
        assert_eq!((ended.status, ended.output_data), (end, output));
        assert_eq!((ended.started_at, ended.completed_at), (Some(finished.started_at), Some(finished.completed_at)));
        assert_eq!((ended.duration_ms, ended.steps_completed, ended.steps_failed), (Some(100), 1, 1));
        assert_eq!(ended.error_code, error.as_ref().map(|error| error.code.clone()));
        assert_eq!(ended.error_message, error.map(|error| error.message));
    }
    store.release(worker).await.unwrap();
    let next = scene.worker(store).await;
    assert_eq!(claim(store, next).await, []);
}

/// An execution ends once: a second end, a record or a park that comes after it is left out.
pub async fn an_ended_execution_is_left_as_it_is(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let running = scene.running(store, worker).await;
    finish(store, worker, a_completion(&running)).await;
    let ended = read(store, running.id).await;

    finish(
        store,
        worker,
        FinishedExecution { status: ExecutionStatus::Failed, output: Value::Null, ..a_completion(&running) },
    )
    .await;
    write(store, worker, &[a_record(running.id, "late", 7)]).await;
    park(store, worker, running.id, Vec::new()).await;
    assert_eq!(read(store, running.id).await, ended);
    assert_eq!(store.executions().step_records(running.id).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap().execution, None);
}

/// The end of a child wakes its parent: by mail while it is owned, by making it claimable while it is parked.
pub async fn the_end_of_a_child_wakes_its_parent(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let parent = scene.running(store, worker).await.id;
    for (is_parked, path) in [(false, "map[0].call"), (true, "map[1].call")] {
        let child = a_new_child(&scene.ids, &scene.workflow, parent, path);
        store.insert(&[child], None).await.unwrap();
        let claimed = claim(store, worker).await;
        assert_eq!(claimed.len(), 1);
        if is_parked {
            park(store, worker, parent, Vec::new()).await;
        }
        assert_eq!(store.take_mail(worker).await.unwrap(), []);
        finish(store, worker, a_completion(&claimed[0])).await;

        let mail = store.take_mail(worker).await.unwrap();
        let woken = claim(store, worker).await;
        assert_eq!((mail.len(), woken.len()), if is_parked { (0, 1) } else { (1, 0) });
        let told = mail.iter().map(|mail| mail.id).chain(woken.iter().map(|claimed| claimed.id));
        assert_eq!(told.collect::<Vec<_>>(), [parent]);
    }
}

/// A parent that another worker owns is woken by the end of its child, also when the batch would end or park it, too.
pub async fn a_foreign_parent_is_woken_whatever_else_the_batch_says(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (owner, other) = (scene.worker(store).await, scene.worker(store).await);
    let parent = scene.running(store, owner).await;
    for (ends, path) in [(true, "map[0].call"), (false, "map[1].call")] {
        store.insert(&[a_new_child(&scene.ids, &scene.workflow, parent.id, path)], None).await.unwrap();
        let child = claim(store, other).await.remove(0);
        let mut batch = JournalBatch { finished: vec![a_completion(&child)], ..JournalBatch::default() };
        if ends {
            batch.finished.push(a_completion(&parent));
        } else {
            batch.parked.push(ParkedExecution { id: parent.id, wake_at: far_future(), waits: Vec::new() });
        }
        commit(store, other, batch).await;

        let mail = store.take_mail(owner).await.unwrap();
        assert_eq!(mail.iter().map(|mail| mail.id).collect::<Vec<_>>(), [parent.id], "{path}");
        assert_eq!(status(store, parent.id).await, ExecutionStatus::Running);
    }
}

/// Lines that agents print are appended once, and those of an execution that is gone are dropped.
pub async fn lines_are_appended_once_and_dropped_without_an_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let id = scene.accept(store, 1).await[0];
    let line = a_line(&scene.ids, id, "hello");
    let lost = a_line(&scene.ids, scene.nobody(ExecutionId::from_uuid), "nobody hears");
    store.append(&[lost.clone(), line.clone()]).await.unwrap();
    store.append(std::slice::from_ref(&line)).await.unwrap();

    assert_eq!(all_lines(store, id).await, [line]);
    assert_eq!(all_lines(store, lost.execution_id).await, []);
}

async fn all_lines(store: &dyn ContractStore, id: ExecutionId) -> Vec<ExecutionLog> {
    store.executions().logs(id, &LogFilter::default(), PageRequest::default()).await.unwrap().items
}

/// The lines that the journal itself has written.
async fn step_lines(store: &dyn ContractStore, id: ExecutionId) -> Vec<ExecutionLog> {
    all_lines(store, id).await.into_iter().filter(|line| line.step_status.is_some()).collect()
}
