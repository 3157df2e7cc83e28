//! A server that owns nothing.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{http::count_three_words, turbocat::Turbocat};

/// The command line as another user of the database.
fn as_user(turbocat: &Turbocat, user: &str) -> (Turbocat, String) {
    let (scheme, rest) = turbocat.database_url().split_once("://").unwrap();
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let url = format!("{scheme}://{user}@{rest}");
    let options = [format!("--database-url={url}"), "--allow-unsafe-database".to_owned()];
    (Turbocat::with_options(&options), url)
}

/// What the doctor finds about the rights of who asks.
async fn rights(turbocat: &Turbocat) -> (String, String) {
    let findings = turbocat.run(&["doctor", "--json"]).await.values();
    let finding = findings.iter().find(|finding| finding["what"] == "rights").unwrap_or_else(|| panic!("{findings:?}"));
    (finding["verdict"].as_str().unwrap().to_owned(), finding["found"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_server_under_a_role_of_its_own_runs_workflows_and_cannot_change_the_audit_log() {
    let turbocat = Turbocat::with_empty_database().await;
    let id = std::process::id();
    let (owner, app) = (format!("tc_owner_{id}"), format!("tc_app_{id}"));
    let roles = format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {app} LOGIN;");
    let own = format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO {owner}', current_database()); END $$");
    turbocat.sql(&(roles + &own)).await;
    let (as_owner, _) = as_user(&turbocat, &owner);
    let (as_app, app_url) = as_user(&turbocat, &app);

    let refused = as_app.run(&["migrate", "up"]).await.failure();
    assert!(refused.stderr.contains("as their owner"), "{}", refused.stderr);
    as_owner.run(&["migrate", "up"]).await.success();
    as_owner.run(&["migrate", "grant", &app]).await.success();
    as_app.run(&["migrate", "grant", &owner]).await.failure();

    let (server, address) = as_app.up().await;
    let key = as_app.key("ada@example.com").await;
    count_three_words(&address, &key, "").await;

    let mut db = PgConnection::connect(&app_url).await.unwrap();
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_logs").fetch_one(&mut db).await.unwrap();
    assert!(entries >= 2, "what was done is in the log: {entries}");
    let changes = [
        "UPDATE audit_logs SET action = 'nothing'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_links",
    ];
    for change in changes {
        let refused = sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut db).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{change}: {refused}");
    }
    db.close().await.unwrap();
    as_app.run(&["audit", "verify"]).await.success();

    assert_eq!(rights(&as_app).await.0, "ok");
    let (verdict, found) = rights(&as_owner).await;
    assert!(verdict == "warning" && found.contains("it owns the tables"), "{found}");
    turbocat.sql(&format!("GRANT UPDATE, TRUNCATE ON audit_logs TO {app}")).await;
    let (verdict, found) = rights(&as_app).await;
    assert!(verdict == "warning" && found.contains("TRUNCATE, UPDATE on audit_logs"), "{found}");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
    turbocat
        .sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO CURRENT_USER', current_database()); END $$")
        .await;
    turbocat.sql(&format!("DROP OWNED BY {app}, {owner}; DROP ROLE {app}, {owner}")).await;
}
