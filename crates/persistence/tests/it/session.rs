//! Sessions: their settings, the locks that tell of a death, and the hints that they carry.

use turbocat_domain::port::{NewEvent, Renewal, RequestOutcome, Store, Takeover, WorkerRepository};
use turbocat_testkit::{
    builder::{LEASE_MS, a_worker, an_event},
    contract::Scene,
};

use crate::fixture::Fixture;

/// The session locks of this database; the view shows those of all.
const LOCKS: &str = "pg_locks WHERE locktype = 'advisory' AND objsubid = 1
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn a_worker_whose_process_is_gone_is_found_before_its_lease_runs_out() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (finder, dying) = (scene.worker(&fixture).await, a_worker(&scene.ids));
    let process = fixture.another_process().await;
    process.register(&dying).await.unwrap();
    assert_eq!(fixture.store.take_over(finder).await.unwrap(), Takeover::default(), "it lives");

    drop(process);
    let mut found = Takeover::default();
    while found.workers == 0 {
        found = fixture.store.take_over(finder).await.unwrap();
    }
    assert_eq!(found, Takeover { workers: 1, executions: 0 });
    assert_eq!(fixture.store.renew(dying.id, LEASE_MS).await.unwrap(), Renewal::Fenced);
}

#[tokio::test]
async fn a_worker_that_lost_its_session_has_another_after_a_renewal() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (finder, worker) = (scene.worker(&fixture).await, scene.worker(&fixture).await);
    let held = &format!("SELECT count(*) FROM {LOCKS}");
    assert_eq!(fixture.number(held).await, 2);
    fixture.execute(&format!("SELECT pg_terminate_backend(pid) FROM {LOCKS}")).await;
    while fixture.number(held).await > 0 {}

    for id in [finder, worker] {
        assert!(matches!(fixture.store.renew(id, LEASE_MS).await.unwrap(), Renewal::Renewed(_)));
        assert!(matches!(fixture.store.renew(id, LEASE_MS).await.unwrap(), Renewal::Renewed(_)));
    }
    assert_eq!(fixture.number(held).await, 2);
    assert_eq!(fixture.store.take_over(finder).await.unwrap(), Takeover::default());
}

#[tokio::test]
async fn looking_for_the_dead_leaves_no_lock_behind() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let finder = scene.worker(&fixture).await;
    scene.worker(&fixture).await;
    let of_finder = format!("SELECT lock_key FROM workers WHERE id = '{}'", finder.as_uuid());
    fixture
        .execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM {LOCKS} AND (classid::int8 << 32 | objid::int8) <> ({of_finder})"
        ))
        .await;
    while fixture.store.take_over(finder).await.unwrap().workers == 0 {}

    assert_eq!(fixture.number(&format!("SELECT count(*) FROM {LOCKS}")).await, 1, "the finder's own");
}

#[tokio::test]
async fn the_server_tells_its_settings() {
    let fixture = Fixture::new().await;
    fixture.store.ping().await.unwrap();

    let settings = fixture.store.settings().await.unwrap();
    assert_eq!(settings.time_zone, "UTC");
    assert!(settings.max_connections > 0);
    assert!(!settings.server_version.is_empty());
}

#[tokio::test]
async fn a_cancel_and_an_event_reach_another_process_with_their_commit() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let (cancelled, waiting) = (scene.running(&fixture, worker).await.id, scene.running(&fixture, worker).await.id);
    let process = fixture.another_process().await;
    let mut wakeups = process.wakeups().await.unwrap();

    let mut work = fixture.begin().await.unwrap();
    assert_eq!(work.executions().request_cancel(cancelled).await.unwrap(), RequestOutcome::Requested);
    work.commit().await.unwrap();
    wakeups.next().await;

    let target = Some((waiting, "approve".to_owned()));
    let mut work = fixture.begin().await.unwrap();
    let event = NewEvent { target, ..an_event(&scene.ids, scene.user.id, "approval") };
    assert_eq!(work.executions().send(&event).await.unwrap(), 1);
    work.commit().await.unwrap();
    wakeups.next().await;
}

#[tokio::test]
async fn a_hint_reaches_another_process_also_after_its_listener_was_lost() {
    let fixture = Fixture::new().await;
    let process = fixture.another_process().await;
    let mut wakeups = process.wakeups().await.unwrap();
    fixture.store.hint().await.unwrap();
    wakeups.next().await;

    let listeners = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE 'LISTEN %'";
    fixture
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN %'",
        )
        .await;
    wakeups.next().await;
    while fixture.number(listeners).await == 0 {}
    fixture.store.hint().await.unwrap();
    wakeups.next().await;
}
