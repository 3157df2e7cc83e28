//! The role of the server, and what it cannot do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in a helper")]

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use turbocat_migration::{MigrationError, down, grant, up};
use turbocat_testkit::postgres::TestDatabase;

/// A database, and a role of its own that owns nothing in it.
struct Story {
    database: TestDatabase,
    role: String,
}

impl Story {
    async fn begin(name: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let role = format!("tc_app_{name}_{}", std::process::id());
        database.execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
        Self { database, role }
    }

    /// Runs a statement as the role.
    async fn says(&self, sql: &str) -> Result<u64, String> {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("SET SESSION AUTHORIZATION {}", self.role)))
            .execute(&mut db)
            .await
            .unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await;
        let done = done.map(|done| done.rows_affected()).map_err(|error| match error.as_database_error() {
            Some(said) => format!("{} {}", said.code().unwrap_or_default(), said.message()),
            None => error.to_string(),
        });
        db.close().await.unwrap();
        done
    }

    async fn end(self) {
        self.database.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role)).await.unwrap();
    }
}

const APPEND: &str = "INSERT INTO audit_logs (action, resource_type) VALUES ('user.created', 'user')";

#[tokio::test]
async fn the_role_reads_writes_and_appends_and_changes_neither_the_audit_log_nor_a_table() {
    let story = Story::begin("rights").await;
    assert!(story.says("SELECT FROM users").await.is_err(), "it has no rights before");
    // What somebody granted by hand is taken away.
    story.database.execute(&format!("GRANT ALL ON audit_logs, audit_head TO {}", story.role)).await.unwrap();

    grant(story.database.url(), &story.role).await.unwrap();

    assert_eq!(story.says("INSERT INTO users (email) VALUES ('a@b.c')").await, Ok(1));
    assert_eq!(story.says("UPDATE users SET full_name = 'A'").await, Ok(1));
    assert_eq!(story.says("DELETE FROM users").await, Ok(1));
    assert_eq!(story.says(APPEND).await, Ok(1), "it is sealed with the rights of the owner");
    assert!(story.says("SELECT FROM audit_logs, audit_links, audit_head").await.is_ok());
    assert!(story.says("SELECT turbocat_run_sql('SELECT ''1''', '{}', 1, 9)").await.is_ok());
    let refused = [
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "DROP TABLE audit_logs",
        "CREATE TRIGGER mine BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_chain_refuse()",
        "INSERT INTO audit_links SELECT 9, gen_random_uuid(), NULL, '', ''",
        "UPDATE audit_links SET hash = ''",
        "DELETE FROM audit_links",
        "TRUNCATE audit_links",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "SELECT audit_seal(entry) FROM audit_logs AS entry",
        "CREATE OR REPLACE FUNCTION audit_logs_seal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE mine (id INTEGER)",
        "ALTER TABLE users ADD COLUMN mine INTEGER",
        "DELETE FROM seaql_migrations",
        "SET session_replication_role = replica",
        "SET ROLE turbocat_sql",
    ];
    for sql in refused {
        let said = story.says(sql).await;
        assert!(said.as_ref().is_err_and(|said| said.starts_with("42501")), "{sql}: {said:?}");
    }
    story.end().await;
}

#[tokio::test]
async fn a_table_of_the_roles_own_does_not_get_it_at_the_chain() {
    let story = Story::begin("forger").await;
    grant(story.database.url(), &story.role).await.unwrap();
    // The chain refuses who writes it outside of a trigger. This one is inside of one, and has no right to.
    let forge = "CREATE TEMP TABLE mine (id INTEGER);
        CREATE FUNCTION pg_temp.forge() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE public.audit_head SET seq = 7; RETURN NULL; END';
        CREATE TRIGGER forge AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.forge();
        INSERT INTO mine VALUES (1)";
    assert!(story.says(forge).await.unwrap_err().contains("permission denied for table audit_head"));
    // Nor can it put a table of its own in the place of the head.
    let shadow = format!(
        "CREATE TEMP TABLE audit_head AS SELECT true AS is_only, 99::bigint AS seq, ''::bytea AS hash; {APPEND}"
    );
    story.says(&shadow).await.unwrap();
    let mut db = PgConnection::connect(story.database.url()).await.unwrap();
    let head: i64 = sqlx::query_scalar("SELECT seq FROM audit_head").fetch_one(&mut db).await.unwrap();
    assert_eq!(head, 1);
    db.close().await.unwrap();
    story.end().await;
}

#[tokio::test]
async fn a_role_whose_rights_cannot_be_limited_is_refused() {
    let story = Story::begin("refused").await;
    let refused = async |role: &str| match grant(story.database.url(), role).await {
        Err(MigrationError::Grantee { why, .. }) => why,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(refused("nobody_of_this_name").await, "there is no such role");
    let mut db = PgConnection::connect(story.database.url()).await.unwrap();
    let owner: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut db).await.unwrap();
    assert!(refused(&owner).await.starts_with("a superuser"));
    story.database.execute(&format!("GRANT \"{owner}\" TO {}", story.role)).await.unwrap();
    assert!(refused(&story.role).await.starts_with("it owns"));
    db.close().await.unwrap();
    story.database.execute(&format!("REVOKE \"{owner}\" FROM {}", story.role)).await.unwrap();
    story.end().await;
}

#[tokio::test]
async fn what_a_migration_makes_is_granted_with_it_and_the_role_needs_no_rights_to_find_nothing_to_do() {
    let story = Story::begin("renewed").await;
    grant(story.database.url(), &story.role).await.unwrap();
    down(story.database.url(), 99).await.unwrap();
    // The rights went with the tables: those on the audit log are how a role is known.
    assert_eq!(up(story.database.url()).await.unwrap().len(), 16);
    assert!(story.says("SELECT FROM users").await.is_err());

    grant(story.database.url(), &story.role).await.unwrap();
    let undone = down(story.database.url(), 13).await.unwrap();
    assert!(undone.iter().any(|name| name == "m0004_access"), "{undone:?}");
    up(story.database.url()).await.unwrap();
    assert!(story.says("SELECT FROM sessions").await.is_ok());
    assert!(story.says("TRUNCATE audit_links").await.is_err());

    let (scheme, rest) = story.database.url().split_once("://").unwrap();
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    assert!(up(&format!("{scheme}://{}@{rest}", story.role)).await.unwrap().is_empty());
    story.end().await;
}
