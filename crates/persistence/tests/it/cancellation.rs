//! Callers that give up half-way: whatever they drop, no connection is left in a transaction.

use std::time::Duration;

use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{
        ClaimRequest, EventQueries, ExecutionQueue, Journal, JournalBatch, ParkedExecution, Store, WaitRecord,
        WorkerRepository,
    },
};
use turbocat_testkit::{
    builder::{a_record, a_user, an_event},
    clock::epoch,
    contract::Scene,
    random::Random,
};

use crate::fixture::Fixture;

/// How many calls are dropped before they are done.
const DROPPED: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dropped_calls_leave_no_dirty_connection() {
    // Without a timeout, what is left in a transaction stays there.
    let fixture = Fixture::with(|options| options.idle_in_transaction_timeout_ms = 0).await;
    let scene = Scene::set(&fixture).await;
    let (worker, finder) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let id = scene.running(&fixture, worker).await.id;
    let mut random = Random::new(7);
    let (mut calls, mut dropped) = (0, 0);
    while dropped < DROPPED {
        let patience = Duration::from_micros(random.below(1_200));
        let work = one_call(&fixture, &scene, (calls, worker, finder, id));
        dropped += u64::from(tokio::time::timeout(patience, work).await.is_err());
        calls += 1;
        assert!(calls < DROPPED * 20, "too few are dropped: {dropped} of {calls}");
    }
    println!("{dropped} of {calls} calls were dropped");

    // What was dropped goes on to its end in tasks of its own.
    let settled = tokio::time::timeout(Duration::from_secs(10), async {
        while fixture.number(OPEN).await > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert!(settled.await.is_ok(), "{} connections are left in a transaction", fixture.number(OPEN).await);
    let users = fixture.number("SELECT count(*) FROM users").await;
    for _ in 0..20 {
        let mut uow = fixture.store.begin().await.unwrap();
        uow.users().insert(&a_user(&scene.ids)).await.unwrap();
        uow.commit().await.unwrap();
    }
    assert_eq!(fixture.number("SELECT count(*) FROM users").await, users + 20);
    assert_eq!(fixture.number(OPEN).await, 0);
}

/// The store's sessions that are not idle.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'turbocat' AND state <> 'idle'";

async fn one_call(
    fixture: &Fixture,
    scene: &Scene,
    (call, worker, finder, id): (u64, WorkerId, WorkerId, ExecutionId),
) {
    let store = &fixture.store;
    match call % 5 {
        0 => drop(store.begin().await.unwrap()),
        1 => {
            let mut uow = store.begin().await.unwrap();
            uow.users().insert(&a_user(&scene.ids)).await.unwrap();
            uow.commit().await.unwrap();
        }
        2 => {
            let wait = WaitRecord { path: "w".to_owned(), event_name: format!("e{call}"), since: epoch() };
            let nobody = scene.nobody(ExecutionId::from_uuid);
            let batch = JournalBatch {
                records: vec![a_record(id, &format!("s{call}"), 1)],
                parked: vec![ParkedExecution { id: nobody, wake_at: epoch(), waits: vec![wait] }],
                ..JournalBatch::default()
            };
            store.commit(worker, &batch).await.unwrap();
        }
        3 => {
            store.publish(&an_event(&scene.ids, scene.user.id, "e")).await.unwrap();
            store.take_mail(worker).await.unwrap();
        }
        _ => {
            store.claim(ClaimRequest { worker, limit: 1 }).await.unwrap();
            store.take_over(finder).await.unwrap();
        }
    }
}
