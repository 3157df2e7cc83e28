//! Two who meet: each outcome is one of the two orders, and nothing is lost between them.

use std::{sync::Arc, time::Duration};

use chrono::Datelike;
use serde_json::json;
use turbocat_domain::{
    execution::ExecutionStatus,
    id::{ExecutionId, WorkerId},
    port::{
        ClaimRequest, CommitOutcome, EventQueries, ExecutionQueue, FinishedExecution, Journal, JournalBatch,
        NewExecution, ParkedExecution, Takeover, WaitRecord, WorkerRepository,
    },
};
use turbocat_persistence::PgStore;
use turbocat_testkit::{
    builder::{a_completion, a_new_child, a_record, an_event},
    clock::epoch,
    contract::Scene,
};

use crate::fixture::Fixture;

/// Waits until a session of this database waits for a lock.
async fn until_somebody_waits(fixture: &Fixture) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let somebody_waits = async { while fixture.number(waiting).await == 0 {} };
    tokio::time::timeout(Duration::from_secs(20), somebody_waits).await.expect("somebody waits for a lock");
}

fn one_record(id: ExecutionId) -> JournalBatch {
    JournalBatch { records: vec![a_record(id, "a", 1)], ..JournalBatch::default() }
}

fn parked(id: ExecutionId, waits: Vec<WaitRecord>) -> ParkedExecution {
    ParkedExecution { id, wake_at: epoch() + chrono::TimeDelta::days(27_000), waits }
}

#[tokio::test]
async fn a_commit_waits_for_a_takeover_under_way_and_is_fenced() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let owner = scene.worker(&fixture).await;
    let id = scene.running(&fixture, owner).await.id;
    let mut takeover = fixture.admin.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM workers WHERE id = $1 FOR UPDATE")
        .bind(owner.as_uuid())
        .execute(&mut *takeover)
        .await
        .unwrap();

    let store = fixture.store.clone();
    let commit = tokio::spawn(async move { store.commit(owner, &one_record(id)).await });
    until_somebody_waits(&fixture).await;
    sqlx::query("UPDATE workers SET dead_at = now() WHERE id = $1")
        .bind(owner.as_uuid())
        .execute(&mut *takeover)
        .await
        .unwrap();
    takeover.commit().await.unwrap();

    assert_eq!(commit.await.unwrap().unwrap(), CommitOutcome::Fenced);
    let written = "SELECT (SELECT count(*) FROM step_runs) + (SELECT count(*) FROM execution_logs)
                        + (SELECT count(*) FROM counter_deltas)";
    assert_eq!(fixture.number(written).await, 0);
}

#[tokio::test]
async fn a_commit_goes_on_when_a_takeover_is_given_up() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let owner = scene.worker(&fixture).await;
    let id = scene.running(&fixture, owner).await.id;
    let mut takeover = fixture.admin.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM workers WHERE id = $1 FOR UPDATE")
        .bind(owner.as_uuid())
        .execute(&mut *takeover)
        .await
        .unwrap();

    let store = fixture.store.clone();
    let commit = tokio::spawn(async move { store.commit(owner, &one_record(id)).await });
    until_somebody_waits(&fixture).await;
    takeover.rollback().await.unwrap();

    assert_eq!(commit.await.unwrap().unwrap(), CommitOutcome::Committed);
    assert_eq!(fixture.number("SELECT count(*) FROM step_runs").await, 1);
}

#[tokio::test]
async fn a_takeover_waits_for_a_commit_under_way_and_frees_what_it_claimed() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (owner, finder) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let late = scene.accept(&fixture, 1).await[0];
    let mut claim = fixture.admin.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM workers WHERE id = $1 FOR KEY SHARE")
        .bind(owner.as_uuid())
        .execute(&mut *claim)
        .await
        .unwrap();
    sqlx::query("UPDATE executions SET worker_id = $1, status = 'running', wake_at = NULL WHERE id = $2")
        .bind(owner.as_uuid())
        .bind(late.as_uuid())
        .execute(&mut *claim)
        .await
        .unwrap();
    sqlx::query("UPDATE workers SET lease_until = now() - INTERVAL '1 s' WHERE id = $1")
        .bind(owner.as_uuid())
        .execute(&fixture.admin)
        .await
        .unwrap();

    let store = fixture.store.clone();
    let takeover = tokio::spawn(async move { store.take_over(finder).await });
    until_somebody_waits(&fixture).await;
    claim.commit().await.unwrap();

    assert_eq!(takeover.await.unwrap().unwrap(), Takeover { workers: 1, executions: 1 });
    let claimed = fixture.store.claim(ClaimRequest { worker: finder, limit: 10 }).await.unwrap();
    assert_eq!(claimed.first().map(|execution| execution.id), Some(late));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_meets_its_wait_wakes_it_in_either_order() {
    let fixture = Arc::new(Fixture::new().await);
    let scene = Scene::set(&*fixture).await;
    let (worker, other) = (scene.worker(&*fixture).await, fixture.another_process().await);
    let (mut published_first, rounds) = (0, 100);
    for round in 0..rounds {
        let running = scene.running(&*fixture, worker).await;
        let name = format!("event-{round}");
        let wait = WaitRecord { path: "w".to_owned(), event_name: name.clone(), since: epoch() };
        let batch = JournalBatch { parked: vec![parked(running.id, vec![wait])], ..JournalBatch::default() };
        let event = an_event(&scene.ids, scene.user.id, &name);
        let (store, sender) = (fixture.store.clone(), other.clone());

        let (park, publish) = (
            tokio::spawn(async move { store.commit(worker, &batch).await }),
            tokio::spawn(async move { sender.publish(&event).await }),
        );
        assert_eq!(park.await.unwrap().unwrap(), CommitOutcome::Committed);
        published_first += i32::from(publish.await.unwrap().unwrap() == 0);

        let woken = fixture.store.claim(ClaimRequest { worker, limit: 10 }).await.unwrap();
        assert_eq!(woken.iter().map(|execution| execution.id).collect::<Vec<_>>(), [running.id], "round {round}");
        finish(&fixture.store, worker, vec![a_completion(&running)]).await;
    }
    println!("{rounds} rounds, in {published_first} of them the event came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_ends_while_its_parent_parks_wakes_it_in_either_order() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (one, two) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let other = fixture.another_process().await;
    for round in 0..100 {
        let parent = scene.running(&fixture, one).await;
        let child = owned(&fixture.store, &a_new_child(&scene.ids, &scene.workflow, parent.id, "call"), two).await;
        let park = JournalBatch { parked: vec![parked(parent.id, Vec::new())], ..JournalBatch::default() };
        let end = JournalBatch { finished: vec![child], ..JournalBatch::default() };
        let (store, other) = (fixture.store.clone(), other.clone());

        let parking = tokio::spawn(async move { store.commit(one, &park).await });
        let ending = tokio::spawn(async move { other.commit(two, &end).await });
        parking.await.unwrap().unwrap();
        ending.await.unwrap().unwrap();

        let woken = fixture.store.claim(ClaimRequest { worker: one, limit: 10 }).await.unwrap();
        assert_eq!(woken.iter().map(|execution| execution.id).collect::<Vec<_>>(), [parent.id], "round {round}");
        finish(&fixture.store, one, vec![a_completion(&parent)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_whose_executions_are_parents_of_one_anothers_do_not_deadlock() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (one, two) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let other = fixture.another_process().await;
    for round in 0..50 {
        let mut batches = [JournalBatch::default(), JournalBatch::default()];
        for _ in 0..10 {
            let (first, second) = (scene.running(&fixture, one).await, scene.running(&fixture, two).await);
            let child_of_first = a_new_child(&scene.ids, &scene.workflow, first.id, "call");
            let child_of_second = a_new_child(&scene.ids, &scene.workflow, second.id, "call");
            batches[0].parked.push(parked(first.id, Vec::new()));
            batches[0].finished.push(owned(&fixture.store, &child_of_second, one).await);
            batches[1].parked.push(parked(second.id, Vec::new()));
            batches[1].finished.push(owned(&fixture.store, &child_of_first, two).await);
        }
        let [mine, theirs] = batches;
        let (store, other) = (fixture.store.clone(), other.clone());
        let (mine, theirs) = (
            tokio::spawn(async move { store.commit(one, &mine).await }),
            tokio::spawn(async move { other.commit(two, &theirs).await }),
        );
        assert_eq!(mine.await.unwrap().unwrap(), CommitOutcome::Committed, "round {round}");
        assert_eq!(theirs.await.unwrap().unwrap(), CommitOutcome::Committed, "round {round}");
        let woken = fixture.store.claim(ClaimRequest { worker: one, limit: 100 }).await.unwrap();
        assert_eq!(woken.len(), 20, "round {round}");
        finish(&fixture.store, one, woken.iter().map(a_completion).collect()).await;
    }
}

/// Rows that change under a statement make `PostgreSQL` evaluate parts of it again: no part may be one that cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_survives_rows_that_change_under_it() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let mut waited = 0;
    for round in 0..30 {
        let (ending, parking) = (scene.running(&fixture, worker).await, scene.running(&fixture, worker).await);
        let child = owned(&fixture.store, &a_new_child(&scene.ids, &scene.workflow, parking.id, "call"), worker).await;
        let parent = scene.running(&fixture, worker).await;
        let grandchild =
            owned(&fixture.store, &a_new_child(&scene.ids, &scene.workflow, parent.id, "call"), worker).await;
        let batch = JournalBatch {
            records: vec![a_record(ending.id, "a", 1), a_record(parking.id, "a", 1)],
            finished: vec![a_completion(&ending), child, grandchild],
            parked: vec![parked(parking.id, Vec::new())],
        };
        let mut cancel = fixture.admin.begin().await.unwrap();
        sqlx::query("UPDATE executions SET cancel_requested_at = now(), wake_at = now() WHERE worker_id = $1")
            .bind(worker.as_uuid())
            .execute(&mut *cancel)
            .await
            .unwrap();
        let store = fixture.store.clone();
        let commit = tokio::spawn(async move { store.commit(worker, &batch).await });
        until_somebody_waits(&fixture).await;
        waited += 1;
        cancel.commit().await.unwrap();

        assert_eq!(commit.await.unwrap().unwrap(), CommitOutcome::Committed, "round {round}");
        let woken = fixture.store.claim(ClaimRequest { worker, limit: 10 }).await.unwrap();
        assert_eq!(woken.iter().map(|execution| execution.id).collect::<Vec<_>>(), [parking.id], "round {round}");
        assert!(woken.iter().all(|execution| execution.cancel_requested));
        let mail = fixture.store.take_mail(worker).await.unwrap();
        assert_eq!(mail.iter().map(|mail| mail.id).collect::<Vec<_>>(), [parent.id], "round {round}");
        finish(&fixture.store, worker, vec![a_completion(&woken[0]), a_completion(&parent)]).await;
    }
    println!("a commit waited for changed rows {waited} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_twice_at_once_is_written_once() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let other = fixture.another_process().await;
    for _ in 0..30 {
        let running = scene.running(&fixture, worker).await;
        let batch = Arc::new(JournalBatch {
            records: vec![scene.record(running.id, 0, 1), scene.record(running.id, 1, 2)],
            finished: vec![a_completion(&running)],
            ..JournalBatch::default()
        });
        let (store, other, again) = (fixture.store.clone(), other.clone(), Arc::clone(&batch));
        let (first, second) = (
            tokio::spawn(async move { store.commit(worker, &batch).await }),
            tokio::spawn(async move { other.commit(worker, &again).await }),
        );
        assert_eq!(first.await.unwrap().unwrap(), CommitOutcome::Committed);
        assert_eq!(second.await.unwrap().unwrap(), CommitOutcome::Committed);
    }
    assert_eq!(fixture.number("SELECT count(*) FROM step_runs").await, 60);
    assert_eq!(fixture.number("SELECT count(*) FROM execution_logs").await, 60);
    assert_eq!(fixture.number("SELECT sum(total) FROM counter_deltas WHERE kind = 'agent'").await, 60);
    assert_eq!(fixture.number("SELECT sum(total) FROM counter_deltas WHERE kind = 'workflow'").await, 30);
}

/// The first insert is still under way on the server when its caller, who has lost the connection, sends it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_insert_that_meets_its_first_attempt_under_way_is_answered_like_it() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let parent = scene.accept(&fixture, 1).await[0];
    for (is_committed, path) in [(true, "call[0]"), (false, "call[1]")] {
        let batch = [scene.new_execution(), a_new_child(&scene.ids, &scene.workflow, parent, path)];
        let mut first = fixture.admin.begin().await.unwrap();
        for new in &batch {
            let (parent_id, parent_path) = new.parent.clone().unzip();
            sqlx::query(
                "INSERT INTO executions (id, workflow_id, user_id, status, trigger_type, parent_execution_id,
                                         parent_path, worker_id, started_at, deadline_at, created_at)
                 VALUES ($1, $2, $3, 'running', 'api', $4, $5, $6, LOCALTIMESTAMP, LOCALTIMESTAMP,
                         TIMESTAMP '2001-01-01')",
            )
            .bind(new.id.as_uuid())
            .bind(new.workflow_id.as_uuid())
            .bind(new.user_id.as_uuid())
            .bind(parent_id.map(ExecutionId::as_uuid))
            .bind(parent_path)
            .bind(worker.as_uuid())
            .execute(&mut *first)
            .await
            .unwrap();
        }

        let (store, again) = (fixture.store.clone(), batch.clone());
        let again = tokio::spawn(async move { store.insert(&again, Some(worker)).await });
        until_somebody_waits(&fixture).await;
        if is_committed {
            first.commit().await.unwrap();
        } else {
            first.rollback().await.unwrap();
        }

        let (inserted_at, is_owned) = again.await.unwrap().unwrap();
        assert!(is_owned);
        assert_eq!(inserted_at.year() == 2001, is_committed, "the time of the insert that stands");
    }
    let owned = format!("SELECT count(*) FROM executions WHERE worker_id = '{}'", worker.as_uuid());
    assert_eq!(fixture.number(&owned).await, 4);
}

/// Workers that insert the same executions at once, in part: each execution is inserted once, and has one owner at most.
#[tokio::test(flavor = "multi_thread")]
async fn inserts_that_meet_leave_each_execution_once() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (one, two) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let other = fixture.another_process().await;
    let (mut inserted, mut owned) = (0, 0);
    for _ in 0..100 {
        let batch = [scene.new_execution(), scene.new_execution(), scene.new_execution()];
        inserted += i64::try_from(batch.len()).unwrap();
        let (store, other, first, last) = (fixture.store.clone(), other.clone(), batch.clone(), batch.clone());
        let (first, last) = (
            tokio::spawn(async move { store.insert(&first[..2], Some(one)).await }),
            tokio::spawn(async move { other.insert(&last[1..], Some(two)).await }),
        );
        let (_, is_ones) = first.await.unwrap().unwrap();
        let (_, is_twos) = last.await.unwrap().unwrap();
        assert!(is_ones != is_twos, "who came first has its own, and the other does not");
        owned += if is_ones || is_twos { 2 } else { 0 };
    }
    assert_eq!(fixture.number("SELECT count(*) FROM executions").await, inserted);
    assert_eq!(fixture.number("SELECT count(*) FROM executions WHERE worker_id IS NOT NULL").await, owned);
    assert_eq!(fixture.number("SELECT count(*) FROM executions WHERE wake_at IS NOT NULL").await, inserted - owned);
}

/// Inserts a child that is owned at birth, and returns its end.
async fn owned(store: &PgStore, child: &NewExecution, owner: WorkerId) -> FinishedExecution {
    let (inserted_at, is_owned) = store.insert(std::slice::from_ref(child), Some(owner)).await.unwrap();
    assert!(is_owned);
    FinishedExecution {
        id: child.id,
        workflow_id: child.workflow_id,
        status: ExecutionStatus::Completed,
        output: json!(null),
        error: None,
        steps_completed: 0,
        steps_failed: 0,
        started_at: inserted_at,
        completed_at: inserted_at,
        parent: child.parent.clone(),
    }
}

async fn finish(store: &PgStore, worker: WorkerId, finished: Vec<FinishedExecution>) {
    let batch = JournalBatch { finished, ..JournalBatch::default() };
    assert_eq!(store.commit(worker, &batch).await.unwrap(), CommitOutcome::Committed);
}

/// Of a deadlock PostgreSQL gives one up, and nothing of it was done: whoever is told so asks again.
#[tokio::test]
async fn who_is_given_up_for_a_deadlock_may_ask_again() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let owner = scene.worker(&fixture).await;
    let [first, second] = [scene.running(&fixture, owner).await.id, scene.running(&fixture, owner).await.id];
    assert!(first < second, "rows are locked in the order of their ids");
    let children =
        [a_new_child(&scene.ids, &scene.workflow, first, "a"), a_new_child(&scene.ids, &scene.workflow, second, "a")];
    let mut other = fixture.admin.begin().await.unwrap();
    let lock = "SELECT 1 FROM executions WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(second.as_uuid()).execute(&mut *other).await.unwrap();

    let store = fixture.store.clone();
    let inserting = children.clone();
    let insert = tokio::spawn(async move { store.insert(&inserting, None).await });
    until_somebody_waits(&fixture).await;
    let locked = sqlx::query(lock).bind(first.as_uuid()).execute(&mut *other).await;
    drop(other);

    let inserted = insert.await.unwrap();
    assert_ne!(inserted.is_ok(), locked.is_ok(), "one of both is given up");
    if let Err(error) = inserted {
        assert!(error.is_transient(), "{error:?}");
    }
    fixture.store.insert(&children, None).await.unwrap();
}
