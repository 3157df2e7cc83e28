//! What a flush costs: one statement, one commit, and a time that grows with its rows and not with their square.

use std::time::Instant;

use turbocat_domain::port::{CommitOutcome, ExecutionQueue, Journal, JournalBatch};
use turbocat_testkit::{
    builder::{a_completion, a_new_execution, a_record},
    contract::Scene,
};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_flush_is_one_commit() {
    const FLUSHES: u32 = 200;
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let id = scene.running(&fixture, worker).await.id;
    let commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'turbocat' AND pid <> ALL (
                        SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
    let store = fixture.another_process().await;
    let before = fixture.number(commits).await;

    for seq in 0..FLUSHES {
        let batch = JournalBatch { records: vec![a_record(id, &format!("s{seq}"), seq)], ..JournalBatch::default() };
        assert_eq!(store.commit(worker, &batch).await.unwrap(), CommitOutcome::Committed);
    }
    // A session tells its statistics at its end.
    store.close().await;
    fixture.store.close().await;
    while fixture.number(sessions).await > 0 {
        tokio::task::yield_now().await;
    }

    let mut counted = fixture.number(commits).await - before;
    while counted < i64::from(FLUSHES) {
        counted = fixture.number(commits).await - before;
    }
    println!("{FLUSHES} flushes, {counted} commits with those of the test itself");
    assert!(counted < i64::from(FLUSHES) * 3 / 2, "{counted} commits for {FLUSHES} flushes");
}

#[tokio::test]
async fn all_rows_of_a_flush_are_of_one_transaction() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let running = scene.running(&fixture, worker).await;
    let batch = JournalBatch {
        records: vec![scene.record(running.id, 0, 1), scene.record(running.id, 1, 2)],
        finished: vec![a_completion(&running)],
        ..JournalBatch::default()
    };
    fixture.store.commit(worker, &batch).await.unwrap();

    let transactions = "SELECT count(DISTINCT xmin::text) FROM (
                            SELECT xmin FROM step_runs UNION ALL SELECT xmin FROM execution_logs
                            UNION ALL SELECT xmin FROM executions UNION ALL SELECT xmin FROM counter_deltas
                        ) AS rows";
    assert_eq!(fixture.number(transactions).await, 1);
}

#[tokio::test]
async fn a_large_flush_takes_time_by_its_rows() {
    const EXECUTIONS: usize = 500;
    const STEPS: u32 = 10;
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let mut per_round = Vec::new();
    // The plan of a prepared statement changes after some rounds: it must serve large batches, too.
    for _ in 0..8 {
        let new: Vec<_> = (0..EXECUTIONS).map(|_| a_new_execution(&scene.ids, &scene.workflow)).collect();
        fixture.store.insert(&new, Some(worker)).await.unwrap();
        let records = new
            .iter()
            .flat_map(|new| (0..STEPS).map(|seq| a_record(new.id, &format!("step-{seq}"), seq)))
            .collect::<Vec<_>>();
        let batch = JournalBatch { records, ..JournalBatch::default() };
        let began = Instant::now();
        fixture.store.commit(worker, &batch).await.unwrap();
        per_round.push(began.elapsed());
    }
    println!("{} records a flush: {per_round:?}", EXECUTIONS * STEPS as usize);
    assert!(per_round.iter().all(|time| time.as_secs() < 5), "{per_round:?}");
}
