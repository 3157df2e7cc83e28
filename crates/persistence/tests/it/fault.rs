//! A server that ends sessions, refuses, or holds what cannot be read.

use turbocat_domain::{
    execution::ExecutionStatus,
    port::{ClaimRequest, CommitOutcome, ExecutionQueue, Journal, JournalBatch, Queries, RepositoryError, Store},
};
use turbocat_testkit::{
    builder::{a_record, a_user},
    contract::Scene,
};

use crate::fixture::Fixture;

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'turbocat'";

#[tokio::test]
async fn a_killed_session_is_a_transient_error_and_then_forgotten() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let id = scene.running(&fixture, worker).await.id;
    // A session that is known to be dead before it is used refuses nothing: chance decides how many are met.
    let (mut rounds, mut refused) = (0, 0);
    while refused < 5 {
        assert!(rounds < 500, "only {refused} calls met a killed session");
        fixture.execute(KILL).await;
        let batch =
            JournalBatch { records: vec![a_record(id, &format!("s{rounds}"), rounds)], ..JournalBatch::default() };
        let mut in_this_round = 0;
        loop {
            match fixture.store.commit(worker, &batch).await {
                Ok(outcome) => break assert_eq!(outcome, CommitOutcome::Committed),
                Err(error) => {
                    in_this_round += 1;
                    assert!(error.is_transient(), "{error:?}");
                    assert!(in_this_round < 100, "it does not recover");
                }
            }
        }
        rounds += 1;
        refused += in_this_round;
    }
    println!("{refused} calls met a killed session in {rounds} rounds");
    assert_eq!(fixture.number("SELECT count(*) FROM step_runs").await, i64::from(rounds));
}

#[tokio::test]
async fn a_unit_of_work_whose_session_is_killed_writes_nothing() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let users = fixture.number("SELECT count(*) FROM users").await;
    let mut uow = fixture.store.begin().await.unwrap();
    uow.users().insert(&a_user(&scene.ids)).await.unwrap();
    fixture.execute(KILL).await;

    let error = uow.commit().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(fixture.number("SELECT count(*) FROM users").await, users);
}

#[tokio::test]
async fn a_failed_unit_of_work_is_neither_committed_nor_continued() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let users = fixture.number("SELECT count(*) FROM users").await;
    let (kept, again) = (a_user(&scene.ids), scene.user.clone());
    let mut uow = fixture.store.begin().await.unwrap();
    uow.users().insert(&kept).await.unwrap();
    assert!(matches!(uow.users().insert(&again).await, Err(RepositoryError::AlreadyExists { entity: "user" })));
    assert!(matches!(uow.users().insert(&a_user(&scene.ids)).await, Err(RepositoryError::Aborted)));

    assert!(matches!(uow.commit().await, Err(RepositoryError::Aborted)));
    assert_eq!(fixture.number("SELECT count(*) FROM users").await, users);
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_a_transient_error() {
    let fixture = Fixture::with(|options| options.lock_timeout_ms = 50).await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let id = scene.running(&fixture, worker).await.id;
    let mut holder = fixture.admin.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM workers FOR UPDATE").execute(&mut *holder).await.unwrap();

    let batch = JournalBatch { records: vec![a_record(id, "a", 1)], ..JournalBatch::default() };
    let error = fixture.store.commit(worker, &batch).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    holder.rollback().await.unwrap();
    assert_eq!(fixture.store.commit(worker, &batch).await.unwrap(), CommitOutcome::Committed);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    fixture.execute("UPDATE agents SET name = E'two\\nlines'").await;

    let error = fixture.store.agents().get(scene.agent.id).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Corrupt { entity: "agent", .. }), "{error:?}");
}

#[tokio::test]
async fn an_execution_whose_journal_cannot_be_read_fails_and_holds_up_no_other() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (first, second) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let broken = scene.running(&fixture, first).await.id;
    let batch = JournalBatch { records: vec![a_record(broken, "a", 1)], ..JournalBatch::default() };
    fixture.store.commit(first, &batch).await.unwrap();
    fixture.execute("UPDATE step_runs SET output = NULL").await;
    let whole = scene.running(&fixture, first).await.id;
    assert_eq!(fixture.store.release_unknown(first, &[]).await.unwrap(), 2);

    let claimed = fixture.store.claim(ClaimRequest { worker: second, limit: 10 }).await.unwrap();
    assert_eq!(claimed.iter().map(|execution| execution.id).collect::<Vec<_>>(), [whole]);
    let failed = fixture.store.executions().get(broken).await.unwrap();
    assert_eq!(failed.status, ExecutionStatus::Failed);
    assert_eq!(failed.error_code.as_deref(), Some("corrupt_execution"));
}

#[tokio::test]
async fn an_execution_that_is_deleted_while_it_runs_holds_up_no_batch() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let (gone, kept) = (scene.running(&fixture, worker).await.id, scene.running(&fixture, worker).await.id);
    fixture.execute(&format!("DELETE FROM executions WHERE id = '{}'", gone.as_uuid())).await;
    fixture.execute("DELETE FROM workflow_steps").await;

    let batch =
        JournalBatch { records: vec![scene.record(gone, 0, 1), scene.record(kept, 0, 1)], ..JournalBatch::default() };
    assert_eq!(fixture.store.commit(worker, &batch).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(fixture.number("SELECT count(*) FROM step_runs").await, 1);
    assert_eq!(fixture.number("SELECT count(*) FROM execution_logs WHERE workflow_step_id IS NULL").await, 1);
}
