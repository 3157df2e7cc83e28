//! Up, down, at once, and with a database of another age.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in a helper")]

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use turbocat_migration::{MigrationError, down, ensure_current, status, up};
use turbocat_testkit::postgres::TestDatabase;

const ALL: [&str; 16] = [
    "m0001_specification",
    "m0002_engine",
    "m0003_schedules",
    "m0004_access",
    "m0005_secrets",
    "m0010_audit_chain",
    "m0020_step_parts",
    "m0024_template_ratings",
    "m0030_tabular_sql",
    "m0040_tools_parts",
    "m0050_roles",
    "m0060_user_tokens",
    "m0070_deployments",
    "m0080_usage",
    "m0090_agent_permits",
    "m0100_pause",
];

async fn execute(database: &TestDatabase, sql: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(database.url()).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await?;
    db.close().await
}

/// All that was ever made in the database: tables, indexes, functions, types.
async fn objects(database: &TestDatabase) -> Vec<String> {
    let mut db = PgConnection::connect(database.url()).await.unwrap();
    let sql = "
        SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
        ORDER BY 1";
    let objects = sqlx::query_scalar(sql).fetch_all(&mut db).await.unwrap();
    db.close().await.unwrap();
    objects
}

#[tokio::test]
async fn up_applies_all_and_the_second_time_nothing() {
    let database = TestDatabase::create_empty().await.unwrap();
    let behind = ensure_current(database.url()).await;
    assert!(matches!(&behind, Err(MigrationError::Behind { pending }) if *pending == ALL), "{behind:?}");
    assert!(objects(&database).await.is_empty(), "a look changes nothing");

    assert_eq!(up(database.url()).await.unwrap(), ALL);
    ensure_current(database.url()).await.unwrap();
    let made = objects(&database).await;
    assert!(up(database.url()).await.unwrap().is_empty());
    assert_eq!(objects(&database).await, made);
}

#[tokio::test]
async fn down_takes_back_what_up_made_and_up_makes_it_again() {
    let database = TestDatabase::create().await.unwrap();
    let made = objects(&database).await;
    assert!(down(database.url(), 0).await.unwrap().is_empty());
    assert_eq!(objects(&database).await, made);

    let (last, others) = ALL.split_last().unwrap();
    assert_eq!(down(database.url(), 1).await.unwrap(), [*last]);
    let applied: Vec<_> = status(database.url()).await.unwrap().into_iter().map(|state| state.applied).collect();
    assert_eq!(applied.iter().position(|applied| !applied), Some(others.len()));
    let backwards: Vec<_> = others.iter().rev().copied().collect();
    assert_eq!(down(database.url(), 99).await.unwrap(), backwards);
    let left = objects(&database).await;
    assert!(left.iter().all(|object| object.contains("seaql_migrations")), "{left:?}");

    assert_eq!(up(database.url()).await.unwrap(), ALL);
    assert_eq!(objects(&database).await, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_at_once_migrate_once() {
    for _ in 0..3 {
        let database = TestDatabase::create_empty().await.unwrap();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let url = database.url().to_owned();
                tokio::spawn(async move { up(&url).await })
            })
            .collect();
        let mut applied = Vec::new();
        for task in tasks {
            applied.extend(task.await.unwrap().unwrap());
        }
        assert_eq!(applied, ALL);
        ensure_current(database.url()).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_ahead_is_left_alone() {
    let database = TestDatabase::create().await.unwrap();
    execute(&database, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)").await.unwrap();
    let made = objects(&database).await;
    let answers = [
        up(database.url()).await.map(drop),
        down(database.url(), 1).await.map(drop),
        status(database.url()).await.map(drop),
        ensure_current(database.url()).await,
    ];
    for answer in answers {
        assert!(
            matches!(&answer, Err(MigrationError::Ahead { unknown }) if *unknown == ["m9999_future"]),
            "{answer:?}"
        );
    }
    assert_eq!(objects(&database).await, made);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_of_itself_and_frees_the_lock() {
    let database = TestDatabase::create_empty().await.unwrap();
    // The last table of the first migration is there already: nine are made before it fails.
    execute(&database, "CREATE TABLE audit_logs (id INTEGER)").await.unwrap();
    let failed = up(database.url()).await;
    assert!(matches!(failed, Err(MigrationError::Database(_))), "{failed:?}");
    assert!(!objects(&database).await.contains(&"relation users".to_owned()));

    execute(&database, "DROP TABLE audit_logs").await.unwrap();
    assert_eq!(up(database.url()).await.unwrap(), ALL);
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_without_its_password() {
    for url in ["postgres://a:secret@b:no-port/c", "mysql://a:secret@localhost/c", "secret"] {
        for refused in [up(url).await.map(drop), status(url).await.map(drop)] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, MigrationError::Address(_)), "{refused:?}");
            assert!(!format!("{refused:?} {refused}").contains("secret"));
        }
    }
}

/// Undoes migrations, down to this one.
async fn down_to(database: &TestDatabase, name: &str) {
    let place = ALL.iter().position(|migration| *migration == name).unwrap();
    let undone = down(database.url(), u32::try_from(ALL.len() - place).unwrap()).await.unwrap();
    assert_eq!(undone.last().map(String::as_str), Some(name));
}

#[tokio::test]
async fn what_was_in_the_audit_log_before_it_was_a_chain_is_sealed() {
    let database = TestDatabase::create().await.unwrap();
    down_to(&database, "m0010_audit_chain").await;
    let three = "INSERT INTO audit_logs (action, resource_type, created_at)
        SELECT 'user.created', 'user', LOCALTIMESTAMP - day * INTERVAL '1 day' FROM generate_series(1, 3) AS day";
    execute(&database, three).await.unwrap();

    up(database.url()).await.unwrap();

    let mut db = PgConnection::connect(database.url()).await.unwrap();
    let sealed = "SELECT count(*) FROM audit_links JOIN audit_logs ON audit_logs.id = audit_links.audit_log_id
        WHERE seq = 1 + (SELECT count(*) FROM audit_logs AS before WHERE before.created_at < audit_logs.created_at)
        AND (SELECT seq FROM audit_head) = 3";
    let sealed: i64 = sqlx::query_scalar(sealed).fetch_one(&mut db).await.unwrap();
    assert_eq!(sealed, 3);
}

#[tokio::test]
async fn schedules_that_were_published_before_there_were_any_get_their_first_tick() {
    let database = TestDatabase::create().await.unwrap();
    down_to(&database, "m0003_schedules").await;
    execute(
        &database,
        r#"INSERT INTO users (email) VALUES ('a@b.c');
            INSERT INTO workflows (name, user_id, status, schedule_enabled, trigger_config, definition)
            SELECT name, users.id, status, enabled, '{"schedule": {"cron": "@daily"}}', '{"settings": {"timeout_ms": 5}}'
            FROM users, (VALUES ('on', 'active', true), ('off', 'active', false), ('old', 'inactive', true))
                AS one (name, status, enabled);
            INSERT INTO workflow_steps (workflow_id, step_key, step_name, step_type, position, config)
            SELECT workflows.id, key, key, type, 0, config::jsonb
            FROM workflows, (VALUES
                ('each', 'loop', '{"body": ["fan"]}'), ('fan', 'parallel', '{"branches": {"a": ["b"], "c": ["d"]}}'),
                ('b', 'wait', '{}'), ('d', 'wait', '{}'), ('last', 'wait', '{}')
            ) AS step (key, type, config) WHERE name = 'on'"#,
    )
    .await
    .unwrap();

    up(database.url()).await.unwrap();

    let mut db = PgConnection::connect(database.url()).await.unwrap();
    let found: Vec<(String, String, i32, i64, bool)> = sqlx::query_as(
        "SELECT name::text, config ->> 'cron', steps_total, timeout_ms, next_at IS NULL AND due_at <= LOCALTIMESTAMP
         FROM schedules",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(found, [("on".to_owned(), "@daily".to_owned(), 2, 5, true)]);
}
