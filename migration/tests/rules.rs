//! The rules that the database keeps by itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in a helper")]

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use turbocat_testkit::postgres::TestDatabase;

const USER: &str = "'00000000-0000-7000-8000-000000000001'";
const WORKFLOW: &str = "'00000000-0000-7000-8000-000000000002'";
const EXECUTION: &str = "'00000000-0000-7000-8000-000000000003'";
const WORKER: &str = "'00000000-0000-7000-8000-000000000004'";

/// A database with a user, and what a test says to it.
struct Story {
    _database: TestDatabase,
    db: PgConnection,
}

impl Story {
    async fn begin() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let db = PgConnection::connect(database.url()).await.unwrap();
        let mut story = Self { _database: database, db };
        story.does(&format!("INSERT INTO users (id, email) VALUES ({USER}, 'Cat@example.org')")).await;
        story
    }

    async fn with_execution() -> Self {
        let mut story = Self::begin().await;
        story.does(&format!("INSERT INTO workflows (id, name, user_id) VALUES ({WORKFLOW}, 'w', {USER})")).await;
        story
            .does(&format!(
                "INSERT INTO executions (id, workflow_id, user_id, trigger_type)
                 VALUES ({EXECUTION}, {WORKFLOW}, {USER}, 'api')"
            ))
            .await;
        story
    }

    async fn says(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.db).await.map(|done| done.rows_affected())
    }

    /// Executes a statement that must change exactly one row.
    async fn does(&mut self, sql: &str) {
        assert_eq!(self.says(sql).await.unwrap(), 1, "{sql}");
    }

    /// Executes a statement that must be refused, by a constraint if one is named.
    async fn is_refused(&mut self, sql: &str, constraint: Option<&str>) {
        let error = self.says(sql).await.unwrap_err();
        let error = error.as_database_error().unwrap();
        assert_eq!(error.constraint(), constraint, "{sql}: {error}");
    }

    async fn count(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.db).await.unwrap()
    }
}

#[tokio::test]
async fn an_execution_ends_once() {
    for ended in ["completed", "failed", "cancelled", "timeout"] {
        let mut story = Story::with_execution().await;
        let to = |status: &str| format!("UPDATE executions SET status = '{status}' WHERE id = {EXECUTION}");
        story.does(&to("running")).await;
        story.does(&to("pending")).await;
        story.does(&to(ended)).await;
        for status in ["pending", "running", "completed", "failed", "cancelled", "timeout"] {
            if status == ended {
                // A batch that is sent again changes nothing.
                story.does(&to(status)).await;
            } else {
                story.is_refused(&to(status), Some("executions_terminal_is_final")).await;
            }
        }
        // The end is final, not the row: counts may follow.
        story.does(&format!("UPDATE executions SET steps_total = 3 WHERE id = {EXECUTION}")).await;
    }
}

#[tokio::test]
async fn an_ended_execution_is_nobodys_and_wakes_for_nothing() {
    let mut story = Story::with_execution().await;
    story.does(&format!("UPDATE executions SET status = 'running', worker_id = {WORKER}, wake_at = now()")).await;
    let rule = Some("executions_ended_is_unowned_check");
    story.is_refused("UPDATE executions SET status = 'completed'", rule).await;
    story.is_refused("UPDATE executions SET status = 'completed', worker_id = NULL", rule).await;
    story.is_refused("UPDATE executions SET status = 'completed', wake_at = NULL", rule).await;
    story.does("UPDATE executions SET status = 'completed', worker_id = NULL, wake_at = NULL").await;
}

#[tokio::test]
async fn a_step_starts_its_child_once() {
    let mut story = Story::with_execution().await;
    let child = |path: &str| {
        format!(
            "INSERT INTO executions (workflow_id, user_id, trigger_type, parent_execution_id, parent_path)
             VALUES ({WORKFLOW}, {USER}, 'api', {EXECUTION}, '{path}')"
        )
    };
    story.does(&child("a")).await;
    story.does(&child("b")).await;
    story.is_refused(&child("a"), Some("uq_executions_parent")).await;
}

#[tokio::test]
async fn the_audit_log_is_append_only_and_outlives_its_user() {
    let mut story = Story::begin().await;
    story
        .does(&format!("INSERT INTO audit_logs (user_id, action, resource_type) VALUES ({USER}, 'create', 'agent')"))
        .await;
    for change in [
        "UPDATE audit_logs SET action = 'delete'",
        "UPDATE audit_logs SET user_id = NULL, action = 'delete'",
        "UPDATE audit_logs SET user_id = user_id",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
    ] {
        story.is_refused(change, None).await;
    }
    story.does(&format!("DELETE FROM users WHERE id = {USER}")).await;
    let kept = "SELECT count(*) FROM audit_logs WHERE user_id IS NULL AND action = 'create'";
    assert_eq!(story.count(kept).await, 1);
}

#[tokio::test]
async fn names_mean_one_thing() {
    let mut story = Story::begin().await;
    story.is_refused("INSERT INTO users (email) VALUES ('cat@EXAMPLE.org')", Some("uq_users_email_lower")).await;
    for (table, column, value, index) in [
        ("agents", "type", "llm", "uq_agents_active_name"),
        ("workflows", "description", "", "uq_workflows_active_name"),
    ] {
        let version = |status: &str| {
            format!("INSERT INTO {table} (name, user_id, status, {column}) VALUES ('n', {USER}, '{status}', '{value}')")
        };
        for status in ["draft", "draft", "active", "inactive", "archived"] {
            story.does(&version(status)).await;
        }
        story.is_refused(&version("active"), Some(index)).await;
        story.does(&format!("UPDATE {table} SET deleted_at = now() WHERE status = 'active'")).await;
        story.does(&version("active")).await;
    }
}

#[tokio::test]
async fn paths_sort_by_their_bytes_and_an_attempt_is_written_once() {
    let mut story = Story::begin().await;
    for path in ["a[10]", "Z", "a.b", "a"] {
        let record = format!(
            "INSERT INTO step_runs (execution_id, path, attempt, seq, status, started_at)
             VALUES ({EXECUTION}, '{path}', 1, 1, 'completed', now())"
        );
        story.does(&record).await;
        story.is_refused(&record, Some("step_runs_pkey")).await;
    }
    let sorted: Vec<String> =
        sqlx::query_scalar("SELECT path FROM step_runs ORDER BY path").fetch_all(&mut story.db).await.unwrap();
    assert_eq!(sorted, ["Z", "a", "a.b", "a[10]"]);
}
