//! Queries of users, on a real server: what they give, and that there is no way out of them.
//!
//! These probes go around the first net (what agents let a query say): the role alone has to hold them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turbocat_domain::{
    port::{TabularQuery, TabularSql},
    step_run::StepError,
};
use turbocat_persistence::{ConnectOptions, PgStore, PgTabular};

use turbocat_testkit::contract::Scene;

use crate::fixture::Fixture;

fn query(statement: &str, tables: Value) -> TabularQuery {
    TabularQuery { statement: statement.to_owned(), tables, rows_max: 1_000, bytes_max: 1 << 20, timeout_ms: 10_000 }
}

async fn ask(tabular: &PgTabular, statement: &str) -> Result<Vec<String>, StepError> {
    tabular.rows(&query(statement, json!({}))).await
}

#[tokio::test]
async fn rows_are_joined_and_added_up() {
    let fixture = Fixture::new().await;
    let tables = json!({
        "orders": [{ "customer": 1, "total": "10.50" }, { "customer": 1, "total": 2 }, { "customer": 2, "total": null }],
        "customers": [{ "id": 2, "name": "Bär" }, { "id": 1, "name": "Ann" }],
    });
    let statement = "SELECT row_to_json(r)::text FROM (
        WITH orders AS (SELECT * FROM jsonb_to_recordset($1->'orders') AS o(customer int, total numeric)),
             customers AS (SELECT * FROM jsonb_to_recordset($1->'customers') AS c(id int, name text))
        (SELECT name, sum(total) AS total FROM orders JOIN customers ON id = customer GROUP BY name ORDER BY name)) r";

    let rows = fixture.store.tabular_sql().rows(&query(statement, tables)).await.unwrap();

    assert_eq!(rows, [r#"{"name":"Ann","total":12.50}"#, r#"{"name":"Bär","total":null}"#]);
}

/// What a query must not do, and what it is refused with: a part of the error's code or message.
const PROBES: &[(&str, &str)] = &[
    // Tables of the database, of the server, of other schemas.
    ("SELECT email FROM public.users", "permission denied"),
    ("SELECT id::text FROM public.secrets", "permission denied"),
    ("SELECT count(*)::text FROM public.executions", "permission denied"),
    ("SELECT version FROM public.seaql_migrations", "permission denied"),
    ("SELECT email FROM users", "does not exist"),
    ("SELECT rolpassword FROM pg_authid", "permission denied"),
    ("SELECT passwd FROM pg_shadow", "permission denied"),
    ("SELECT umoptions::text FROM pg_user_mapping", "permission denied"),
    ("SELECT line_number::text FROM pg_hba_file_rules", "permission denied"),
    ("SELECT data::text FROM pg_largeobject", "permission denied"),
    ("SELECT stavalues1::text FROM pg_statistic", "permission denied"),
    ("SELECT query_to_xml('SELECT email FROM public.users', true, true, '')::text", "permission denied"),
    ("SELECT table_to_xml('public.users', true, true, '')::text", "permission denied"),
    // Files, programs, other servers.
    ("SELECT pg_read_file('/etc/passwd')", "permission denied"),
    ("SELECT pg_read_binary_file('/etc/passwd')::text", "permission denied"),
    ("SELECT pg_ls_dir('/')", "permission denied"),
    ("SELECT (pg_stat_file('/etc/passwd')).size::text", "permission denied"),
    ("COPY (SELECT 1) TO '/tmp/probe'", "cannot open"),
    ("COPY (SELECT 1) TO PROGRAM 'id'", "cannot open"),
    ("SELECT lo_import('/etc/passwd')::text", "permission denied"),
    ("SELECT lo_export(1, '/tmp/probe')::text", "permission denied"),
    ("SELECT a FROM dblink('dbname=postgres', 'SELECT 1') AS t(a text)", "does not exist"),
    ("LOAD 'plpython3u'", "cannot open"),
    ("CREATE EXTENSION dblink", "cannot open"),
    // Back to the rights of who asked.
    ("RESET ROLE", "cannot open"),
    ("SET ROLE NONE", "cannot open"),
    ("SET SESSION AUTHORIZATION DEFAULT", "cannot open"),
    ("SELECT set_config('role', 'none', true)", "within security-definer function"),
    ("SELECT set_config('role', session_user, false)", "within security-definer function"),
    ("SELECT set_config('session_authorization', session_user, true)", "within security-definer function"),
    (
        "SELECT set_config('role', session_user, true) || query_to_xml('SELECT email FROM public.users', true, true, '')::text",
        "within security-definer function",
    ),
    ("SELECT query_to_xml('RESET ROLE', true, true, '')::text", "RESET is not allowed"),
    ("SELECT 1::text; RESET ROLE", "multi-query"),
    ("SELECT 1::text; SELECT email FROM public.users", "multi-query"),
    // Settings that bound it, and those of the server.
    ("SELECT set_config('transaction_read_only', 'off', true)", "read-write mode"),
    ("SELECT set_config('temp_file_limit', '-1', true)", "permission denied"),
    ("SELECT set_config('log_statement', 'all', false)", "permission denied"),
    ("SELECT current_setting('data_directory')", "must be superuser"),
    ("SELECT current_setting('hba_file')", "must be superuser"),
    ("SELECT pg_reload_conf()::text", "permission denied"),
    // Changes, of anything.
    ("CREATE TEMP TABLE probe (a int)", "cannot open"),
    (
        "WITH made AS (INSERT INTO public.users (email) VALUES ('x') RETURNING 1) SELECT '1' FROM made",
        "read-only transaction",
    ),
    ("DELETE FROM public.users RETURNING email", "read-only transaction"),
    ("SELECT nextval('public.audit_logs_seq')::text", "does not exist"),
    ("CREATE FUNCTION public.probe() RETURNS int LANGUAGE sql AS 'SELECT 1'", "cannot open"),
    ("DO 'BEGIN RESET ROLE; END'", "cannot open"),
    ("ALTER ROLE turbocat_sql SUPERUSER", "cannot open"),
    ("GRANT pg_read_all_data TO turbocat_sql", "cannot open"),
    // Others.
    (
        "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL",
        "must be a superuser",
    ),
    (
        "SELECT pg_cancel_backend(pid)::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL",
        "must be a superuser",
    ),
    ("SELECT pg_promote()::text", "permission denied"),
    ("SELECT pg_switch_wal()::text", "permission denied"),
    ("SELECT pg_stat_reset()::text", "permission denied"),
    // What is no row, or none of one column of text.
    ("SELECT 1 / 0", "division by zero"),
    ("SELEKT 1", "syntax error"),
];

/// What some versions of the server let a query do, because it changes no table: none of it stays, since what a query
/// did is never committed.
const UNDONE: [&str; 4] = [
    "SELECT lo_creat(-1)::text",
    "SELECT lo_from_bytea(0, 'x')::text",
    "SELECT pg_notify('turbocat_wake', '')::text",
    "SELECT set_config('work_mem', '1GB', false)",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_did_is_undone() {
    let fixture = Fixture::new().await;
    let tabular = fixture.store.tabular_sql();
    let mut listener = sqlx::postgres::PgListener::connect(fixture.url()).await.unwrap();
    listener.listen("turbocat_wake").await.unwrap();
    for statement in UNDONE {
        let _refused_or_undone = ask(&tabular, statement).await;
    }

    assert_eq!(fixture.number("SELECT count(*) FROM pg_largeobject_metadata").await, 0);
    assert_eq!(ask(&tabular, "SELECT current_setting('work_mem')").await.unwrap(), ["16MB"]);
    fixture.execute("SELECT pg_notify('turbocat_wake', 'the first one')").await;
    assert_eq!(listener.recv().await.unwrap().payload(), "the first one");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_gets_at_anything_but_its_own_tables() {
    let fixture = Fixture::new().await;
    let _scene = Scene::set(&fixture).await;
    let users = fixture.number("SELECT count(*) FROM users").await;
    assert!(users > 0);
    let tabular = fixture.store.tabular_sql();
    let mut broken = Vec::new();
    for (statement, expected) in PROBES {
        match ask(&tabular, statement).await {
            Ok(rows) => broken.push(format!("{statement} gave {rows:?}")),
            Err(error) if !error.to_string().contains(expected) => broken.push(format!("{statement}: {error}")),
            Err(error) if error.retryable => broken.push(format!("{statement} would be tried again: {error}")),
            Err(_refused) => {}
        }
    }
    assert!(broken.is_empty(), "{} of {} probes:\n{}", broken.len(), PROBES.len(), broken.join("\n"));
    assert_eq!(fixture.number("SELECT count(*) FROM users").await, users);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_is_not_seen() {
    let fixture = Fixture::new().await;
    let tabular = fixture.store.tabular_sql();
    fixture.number("SELECT count(*) /* a-secret-of-others */ FROM users").await;

    let seen =
        ask(&tabular, "SELECT coalesce(query, '') FROM pg_stat_activity WHERE pid <> pg_backend_pid()").await.unwrap();

    assert!(seen.iter().all(|query| query.is_empty() || query == "<insufficient privilege>"), "{seen:?}");
    let who = ask(&tabular, "SELECT current_user::text").await.unwrap();
    assert_eq!(who, ["turbocat_sql"]);
    let rights = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S') \
                  AND (has_table_privilege(oid, 'SELECT') OR has_table_privilege(oid, 'UPDATE'))";
    assert_eq!(ask(&tabular, rights).await.unwrap(), ["0"]);
    let owned = "SELECT count(*)::text FROM pg_class WHERE relowner = 'turbocat_sql'::regrole";
    assert_eq!(ask(&tabular, owned).await.unwrap(), ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_query_takes_outlives_it() {
    let fixture = Fixture::new().await;
    let tabular = fixture.store.tabular_sql();
    let name = "SELECT set_config('application_name', 'probe', false)";
    assert_eq!(ask(&tabular, name).await.unwrap(), ["probe"]);
    ask(&tabular, "SELECT pg_advisory_lock(4711)::text").await.unwrap();
    ask(&tabular, "SELECT pg_advisory_lock(4711)::text").await.unwrap();

    assert_eq!(ask(&tabular, "SELECT current_setting('application_name')").await.unwrap(), ["turbocat query"]);
    // The session ends a moment after the answer.
    let deadline = Instant::now() + Duration::from_secs(20);
    while fixture.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711").await > 0 {
        assert!(Instant::now() < deadline, "a lock outlived its query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_rows_bytes_and_disk_are_bounded() {
    let fixture = Fixture::new().await;
    let tabular = fixture.store.tabular_sql();
    let short = |statement: &str| TabularQuery { timeout_ms: 300, ..query(statement, json!({})) };
    let endless = [
        "SELECT pg_sleep(3600)::text",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*)::text FROM r",
        "SELECT count(*)::text FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        "SELECT set_config('statement_timeout', '0', false) || pg_sleep(3600)::text",
    ];
    for statement in endless {
        let began = Instant::now();
        let error = tabular.rows(&short(statement)).await.unwrap_err();
        assert_eq!(error.code, "timeout", "{statement}: {error}");
        assert!(began.elapsed() < Duration::from_secs(20), "{statement}");
    }
    let rows = ask(&tabular, "SELECT n::text FROM generate_series(1, 1000) n").await.unwrap();
    assert_eq!(rows.len(), 1_000);
    let too_large = [
        ("SELECT generate_series(1, 1000000000)::text", "output_too_large"),
        ("SELECT n::text FROM generate_series(1, 1000000000) n", "out_of_memory"),
        ("SELECT repeat('x', 2000000)", "output_too_large"),
        ("SELECT repeat('x', 10000) FROM generate_series(1, 1000)", "output_too_large"),
        ("SELECT repeat('x', 1100000000)", "out_of_memory"),
    ];
    for (statement, code) in too_large {
        let error = ask(&tabular, statement).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, false), "{statement}: {error}");
    }
    let spilling = "SELECT count(*)::text FROM (SELECT md5(n::text) FROM generate_series(1, 30000000) n ORDER BY 1) t";
    let error = ask(&tabular, spilling).await.unwrap_err();
    assert!(["out_of_memory", "timeout"].contains(&error.code.as_str()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_takes_its_query_with_it() {
    let fixture = Fixture::new().await;
    let tabular = fixture.store.tabular_sql();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turbocat query' \
                   AND datname = current_database() AND state = 'active'";
    let asked = tokio::spawn(async move { ask(&tabular, "SELECT pg_sleep(3600)::text").await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while fixture.number(running).await == 0 {
        assert!(Instant::now() < deadline, "it does not begin");
    }

    asked.abort();

    // Much sooner than its own timeout of ten seconds: the server looks after its client every second.
    while fixture.number(running).await > 0 {
        assert!(Instant::now() < deadline, "it goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_set_up_says_so_and_a_user_with_few_rights_can_set_it_up() {
    let fixture = Fixture::new().await;
    assert!(fixture.store.settings().await.unwrap().tabular_sql);
    fixture.execute("DROP FUNCTION turbocat_run_sql(text, jsonb, int4, int8)").await;

    let error = ask(&fixture.store.tabular_sql(), "SELECT '1'").await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("sql_not_available", false));
    assert!(error.message.contains("turbocat doctor"), "{error}");
    assert!(!fixture.store.settings().await.unwrap().tabular_sql);

    // A user that owns the database, and was given the role: what the doctor tells an operator to do.
    let role = format!("probe_{}", std::process::id());
    fixture.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let url = as_user(fixture.url(), &role);
    let database = fixture.text("SELECT current_database()::text").await;
    fixture.execute(&format!("ALTER DATABASE {database} OWNER TO {role}")).await;
    fixture.execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
    turbocat_testkit::postgres::migrate(&url).await.unwrap();
    let store = PgStore::connect(&ConnectOptions::new(&url)).await.unwrap();
    assert!(!store.settings().await.unwrap().tabular_sql, "it may not grant itself the role");

    fixture.execute(&format!("GRANT turbocat_sql TO {role}")).await;
    turbocat_testkit::postgres::migrate(&url).await.unwrap();
    assert!(store.settings().await.unwrap().tabular_sql);
    assert_eq!(ask(&store.tabular_sql(), "SELECT current_user::text").await.unwrap(), ["turbocat_sql"]);
    let escape = "SELECT set_config('role', session_user, true)";
    assert!(ask(&store.tabular_sql(), escape).await.is_err());
    assert!(ask(&store.tabular_sql(), "SELECT email FROM public.users").await.is_err());
    store.close().await;
    fixture.execute(&format!("ALTER DATABASE {database} OWNER TO CURRENT_USER")).await;
    fixture.execute(&format!("DROP OWNED BY {role}")).await;
    fixture.execute(&format!("DROP ROLE {role}")).await;
}

/// The address with another user in it.
fn as_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{user}@{rest}")
}
