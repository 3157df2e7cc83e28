//! The chain of the audit log: exact whoever appends at once, and whoever tampers is found and named.
//!
//! Who tampers here is the database's superuser, with all triggers off.

use std::collections::BTreeMap;

use turbocat_domain::{
    audit_log::{AuditLog, NewAuditLog},
    id::AuditLogId,
    port::{RepositoryError, Store},
};
use turbocat_persistence::{AuditBreach, AuditHead, AuditReport};
use turbocat_testkit::contract::Scene;
use uuid::Uuid;

use crate::fixture::Fixture;

/// A log of six entries by a user, in two transactions.
struct Log {
    fixture: Fixture,
    scene: Scene,
    ids: Vec<AuditLogId>,
}

impl Log {
    async fn of_six() -> Self {
        let fixture = Fixture::new().await;
        let scene = Scene::set(&fixture).await;
        let mut log = Self { fixture, scene, ids: Vec::new() };
        for _ in 0..2 {
            let mut uow = log.fixture.store.begin().await.unwrap();
            for _ in 0..3 {
                let entry = log.entry();
                uow.audit_logs().append(std::slice::from_ref(&entry)).await.unwrap();
                log.ids.push(entry.id);
            }
            uow.commit().await.unwrap();
        }
        log
    }

    fn entry(&self) -> AuditLog {
        let new = NewAuditLog {
            id: AuditLogId::from_uuid(turbocat_domain::port::IdGenerator::next(&self.scene.ids)),
            user_id: Some(self.scene.user.id),
            action: "workflow.published",
            resource_type: "workflow",
            resource_id: Some(Uuid::nil()),
        };
        AuditLog {
            changes: serde_json::json!({ "näme": { "before": "a", "after": ["b", 1.50, null] } }),
            ip_address: Some("192.0.2.1".parse().unwrap()),
            user_agent: Some("curl/8 \"x\"".to_owned()),
            ..AuditLog::new(new, chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1_500_123))
        }
    }

    async fn verify(&self, kept: Option<AuditHead>) -> AuditReport {
        self.fixture.store.verify_audit_log(kept).await.unwrap()
    }

    /// Does something that no trigger sees.
    async fn tamper(&self, sql: &str) {
        let mut tx = self.fixture.admin.begin().await.unwrap();
        sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await.expect(sql);
        assert!(done.rows_affected() > 0, "{sql} did nothing");
        tx.commit().await.unwrap();
    }

    /// The id of an entry as SQL.
    fn sql(&self, place: usize) -> String {
        format!("'{}'", self.ids.get(place).expect("an entry").as_uuid())
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_whole() {
    let log = Log::of_six().await;
    let report = log.verify(None).await;

    assert_eq!((report.links, report.head.seq, report.breaches.as_slice()), (6, 6, &[][..]));
    assert_eq!(log.verify(Some(report.head)).await, report);
    assert_eq!(Fixture::new().await.store.verify_audit_log(None).await.unwrap().links, 0);
}

#[tokio::test]
async fn whoever_edits_deletes_or_reorders_is_found_and_named() {
    use AuditBreach::{Cut, Deleted, Edited, Moved, Unlinked, Unsealed};
    let edits = [
        "action = 'workflow.deleted'",
        "resource_type = 'agent'",
        "resource_id = NULL",
        "changes = '{}'",
        "metadata = '{\"request_id\": \"x\"}'",
        "ip_address = '192.0.2.2'",
        "user_agent = NULL",
        "created_at = created_at + INTERVAL '1 microsecond'",
        "user_id = NULL",
        "user_id = (SELECT id FROM users WHERE id <> audit_logs.user_id LIMIT 1)",
    ];
    let mut found = BTreeMap::<&str, u32>::new();
    for edit in edits {
        let log = Log::of_six().await;
        log.fixture.execute("INSERT INTO users (email) VALUES ('other@example.com')").await;
        log.tamper(&format!("UPDATE audit_logs SET {edit} WHERE id = {}", log.sql(2))).await;
        assert_eq!(log.verify(None).await.breaches, [Edited(3, log.ids[2])], "{edit}");
        *found.entry("edited").or_default() += 1;
    }
    for place in [0, 2, 5] {
        let log = Log::of_six().await;
        let seq = i64::try_from(place).unwrap() + 1;
        log.tamper(&format!("DELETE FROM audit_logs WHERE id = {}", log.sql(place))).await;
        assert_eq!(log.verify(None).await.breaches, [Deleted(seq, log.ids[place])]);
        let head = log.verify(None).await.head;
        log.tamper(&format!("DELETE FROM audit_links WHERE seq = {seq}")).await;
        let report = log.verify(None).await;
        let expected = if place == 5 { Cut(head) } else { Unlinked(seq, seq) };
        assert_eq!(report.breaches, [expected]);
        *found.entry("deleted").or_default() += 2;
    }
    for swap in
        ["audit_log_id = CASE seq WHEN 2 THEN {4}::uuid ELSE {2}::uuid END", "seq = CASE seq WHEN 2 THEN 4 ELSE 2 END"]
    {
        let log = Log::of_six().await;
        let set = swap.replace("{4}", &log.sql(3)).replace("{2}", &log.sql(1));
        log.tamper("ALTER TABLE audit_links DROP CONSTRAINT audit_links_audit_log_id_key, DROP CONSTRAINT audit_links_pkey; UPDATE audit_head SET seq = seq").await;
        log.tamper(&format!("UPDATE audit_links SET {set} WHERE seq IN (2, 4)")).await;
        let breaches = log.verify(None).await.breaches;
        let (second, fourth) = (log.ids[1], log.ids[3]);
        if swap.starts_with("seq") {
            assert!(breaches.contains(&Moved(2, fourth)) && breaches.contains(&Moved(4, second)), "{breaches:?}");
        } else {
            assert_eq!(breaches, [Edited(2, fourth), Edited(4, second)]);
        }
        *found.entry("reordered").or_default() += 1;
    }
    let log = Log::of_six().await;
    let forged = Uuid::from_u128(9);
    log.tamper(&format!("INSERT INTO audit_logs (id, action, resource_type) VALUES ('{forged}', 'x', 'y')")).await;
    assert_eq!(log.verify(None).await.breaches, [Unsealed(AuditLogId::from_uuid(forged))]);
    println!("tampered with and found: {found:?}, and one forged");
    assert_eq!(found.values().sum::<u32>(), 18);
}

#[tokio::test]
async fn who_writes_the_whole_chain_anew_is_found_by_a_head_that_was_kept() {
    let log = Log::of_six().await;
    let kept = log.verify(None).await.head;
    log.tamper(&format!("UPDATE audit_logs SET action = 'nothing' WHERE id = {}", log.sql(5))).await;
    log.tamper(
        "DELETE FROM audit_links WHERE seq = 6;
         UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit_links WHERE seq = 5);
         SELECT audit_seal(audit_logs) FROM audit_logs WHERE action = 'nothing'",
    )
    .await;

    assert_eq!(log.verify(None).await.breaches, [], "the chain alone cannot tell");
    assert_eq!(log.verify(Some(kept)).await.breaches, [AuditBreach::Rewritten(kept)]);
    let longer = AuditHead { seq: 7, ..kept };
    assert_eq!(log.verify(Some(longer)).await.breaches, [AuditBreach::Rewritten(longer)]);
}

#[tokio::test]
async fn an_entry_outlives_its_account() {
    let log = Log::of_six().await;
    log.fixture.execute("DELETE FROM workflows").await;
    log.fixture.execute(&format!("DELETE FROM users WHERE id = '{}'", log.scene.user.id.as_uuid())).await;

    assert_eq!(log.verify(None).await.breaches, []);
    assert_eq!(log.fixture.number("SELECT count(*) FROM audit_logs WHERE user_id IS NULL").await, 6);
}

#[tokio::test]
async fn the_chain_is_written_with_the_log_alone() {
    let log = Log::of_six().await;
    let mut refused = 0;
    for sql in [
        "INSERT INTO audit_links (seq, audit_log_id, entry_hash, hash) VALUES (7, gen_random_uuid(), '', '')",
        "UPDATE audit_links SET hash = ''",
        "DELETE FROM audit_links",
        "TRUNCATE audit_links",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head (seq, hash) VALUES (0, '')",
        "TRUNCATE audit_head",
        "SELECT audit_seal(audit_logs) FROM audit_logs",
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
    ] {
        let error = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&log.fixture.admin).await.expect_err(sql);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{sql}");
        refused += 1;
    }
    assert_eq!((refused, log.verify(None).await.links), (12, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_exact_whoever_appends_at_once() {
    let log = std::sync::Arc::new(Log::of_six().await);
    let tasks: Vec<_> = (0..8)
        .map(|writer| {
            let log = std::sync::Arc::clone(&log);
            tokio::spawn(async move {
                let mut kept = 0;
                for round in 0..12 {
                    let mut uow = log.fixture.store.begin().await.unwrap();
                    uow.audit_logs().append(&[log.entry(), log.entry()]).await.unwrap();
                    if (writer + round) % 4 == 0 {
                        // What is taken back leaves no gap.
                        drop(uow);
                    } else {
                        uow.commit().await.unwrap();
                        kept += 2;
                    }
                    assert_eq!(log.verify(None).await.breaches, [], "also while others append");
                }
                kept
            })
        })
        .collect();
    let mut kept = 6;
    for task in tasks {
        kept += task.await.unwrap();
    }
    let report = log.verify(None).await;

    assert_eq!((report.links, report.head.seq, report.breaches.as_slice()), (kept, 150, &[][..]));
    assert_eq!(kept, 6 + 8 * 9 * 2);
}

#[tokio::test]
async fn a_cancel_and_its_entry_are_one_transaction() {
    let log = Log::of_six().await;
    let id = log.scene.accept(&log.fixture, 1).await[0];
    let asked = "SELECT count(*) FROM executions WHERE cancel_requested_at IS NOT NULL";
    let mut uow = log.fixture.store.begin().await.unwrap();
    uow.executions().request_cancel(id).await.unwrap();
    let twice = AuditLog { id: log.ids[0], ..log.entry() };
    let refused = uow.audit_logs().append(&[twice]).await;
    assert!(matches!(refused, Err(RepositoryError::AlreadyExists { .. })));
    assert!(uow.commit().await.is_err());
    assert_eq!(log.fixture.number(asked).await, 0);

    let mut uow = log.fixture.store.begin().await.unwrap();
    uow.executions().request_cancel(id).await.unwrap();
    uow.audit_logs().append(&[log.entry()]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!((log.fixture.number(asked).await, log.verify(None).await.links), (1, 7));
}
