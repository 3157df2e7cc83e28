//! What is in the database when all has ended: the rows that the oracle looks at.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::NaiveDateTime;
use serde_json::Value;
use sqlx::{Connection, FromRow, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

/// How many rows are read at once.
const ROWS_AT_ONCE: i64 = 5_000;

/// What is in the database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// By id.
    pub(crate) executions: BTreeMap<Uuid, ExecutionRow>,
    /// By execution, in the order of paths and attempts.
    pub(crate) steps: BTreeMap<Uuid, Vec<StepRow>>,
    /// How many lines of the log say how a step ended, by execution.
    pub(crate) step_logs: BTreeMap<Uuid, i64>,
    /// By id.
    pub(crate) workflows: BTreeMap<Uuid, MetricRow>,
    /// By id.
    pub(crate) agents: BTreeMap<Uuid, MetricRow>,
    /// Lives of workers, by id; whether they are marked dead.
    pub(crate) workers: BTreeMap<Uuid, bool>,
    /// The executions of the waits that are left.
    pub(crate) waits: Vec<Uuid>,
    /// Facts that are not folded yet.
    pub(crate) counter_deltas: i64,
}

/// A row of `executions`.
#[derive(Debug, Clone)]
pub(crate) struct ExecutionRow {
    pub(crate) id: Uuid,
    pub(crate) workflow_id: Uuid,
    pub(crate) status: String,
    pub(crate) input_data: Value,
    pub(crate) output_data: Value,
    pub(crate) error_code: Option<String>,
    pub(crate) steps_total: i32,
    pub(crate) steps_completed: i32,
    pub(crate) steps_failed: i32,
    pub(crate) started_at: Option<NaiveDateTime>,
    pub(crate) completed_at: Option<NaiveDateTime>,
    pub(crate) duration_ms: Option<i32>,
    /// When the row was last changed, by the database's own clock: of one that ended, when its end was committed.
    pub(crate) updated_at: NaiveDateTime,
    pub(crate) worker_id: Option<Uuid>,
    pub(crate) takeovers: i32,
    pub(crate) is_cancel_requested: bool,
    pub(crate) parent_execution_id: Option<Uuid>,
    pub(crate) parent_path: Option<String>,
}

impl ExecutionRow {
    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled" | "timeout")
    }
}

/// A row of `step_runs`.
#[derive(Debug, Clone)]
pub(crate) struct StepRow {
    pub(crate) execution_id: Uuid,
    pub(crate) path: String,
    pub(crate) attempt: i16,
    pub(crate) seq: i32,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) output: Option<Value>,
    pub(crate) error_code: Option<String>,
    pub(crate) started_at: NaiveDateTime,
    pub(crate) ended_at: Option<NaiveDateTime>,
    pub(crate) agent_id: Option<Uuid>,
}

impl StepRow {
    /// Whether the attempt ran to an end of its own.
    pub(crate) fn has_run(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed")
    }

    /// Whether it is one of the workflow's own steps, and in no body.
    pub(crate) fn is_outside(&self) -> bool {
        !self.path.contains(['.', '['])
    }
}

/// The metrics of a workflow or an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MetricRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) total_executions: i32,
    pub(crate) successful_executions: i32,
    pub(crate) failed_executions: i32,
    pub(crate) avg_execution_time_ms: i32,
}

impl Snapshot {
    /// Whether a life of a worker is over; one that is not there any more is.
    pub(crate) fn is_dead(&self, worker: &Uuid) -> bool {
        self.workers.get(worker).copied().unwrap_or(true)
    }

    /// Reads it, in one transaction.
    ///
    /// # Errors
    ///
    /// What the database said.
    pub(crate) async fn read(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await.context("the database of the run cannot be reached")?;
        let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let mut snapshot = Self::default();
        snapshot.read_executions(&mut tx).await.context("the executions cannot be read")?;
        snapshot.read_steps(&mut tx).await.context("the journal cannot be read")?;
        snapshot.read_rest(&mut tx).await.context("the metrics, workers and waits cannot be read")?;
        tx.rollback().await?;
        Ok(snapshot)
    }

    async fn read_executions(&mut self, tx: &mut PgConnection) -> sqlx::Result<()> {
        const SQL: &str = "SELECT id, workflow_id, status, input_data, output_data, error_code, steps_total, \
            steps_completed, steps_failed, started_at, completed_at, duration_ms, updated_at, worker_id, takeovers, \
            cancel_requested_at IS NOT NULL AS is_cancel_requested, parent_execution_id, parent_path \
            FROM executions WHERE id > $1 ORDER BY id LIMIT $2";
        let mut last = Uuid::nil();
        loop {
            let rows: Vec<ExecutionRow> = sqlx::query_as(SQL).bind(last).bind(ROWS_AT_ONCE).fetch_all(&mut *tx).await?;
            let Some(row) = rows.last() else { return Ok(()) };
            last = row.id;
            self.executions.extend(rows.into_iter().map(|row| (row.id, row)));
        }
    }

    async fn read_steps(&mut self, tx: &mut PgConnection) -> sqlx::Result<()> {
        const SQL: &str = "SELECT execution_id, path, attempt, seq, status, reason, output, error ->> 'code' AS \
            error_code, started_at, ended_at, agent_id FROM step_runs \
            WHERE (execution_id, path, attempt) > ($1, $2, $3) ORDER BY execution_id, path, attempt LIMIT $4";
        let mut last = (Uuid::nil(), String::new(), 0_i16);
        loop {
            let query = sqlx::query_as(SQL).bind(last.0).bind(&last.1).bind(last.2).bind(ROWS_AT_ONCE);
            let rows: Vec<StepRow> = query.fetch_all(&mut *tx).await?;
            let Some(row) = rows.last() else { return Ok(()) };
            last = (row.execution_id, row.path.clone(), row.attempt);
            for row in rows {
                self.steps.entry(row.execution_id).or_default().push(row);
            }
        }
    }

    async fn read_rest(&mut self, tx: &mut PgConnection) -> sqlx::Result<()> {
        const WORKERS: &str = "SELECT id, dead_at IS NOT NULL FROM workers";
        const LOGS: &str =
            "SELECT execution_id, count(*) FROM execution_logs WHERE step_status IS NOT NULL GROUP BY execution_id";
        self.step_logs = sqlx::query_as(LOGS).fetch_all(&mut *tx).await?.into_iter().collect();
        self.workflows = metrics(tx, "workflows").await?;
        self.agents = metrics(tx, "agents").await?;
        self.workers = sqlx::query_as(WORKERS).fetch_all(&mut *tx).await?.into_iter().collect();
        self.waits = sqlx::query_scalar("SELECT execution_id FROM waits").fetch_all(&mut *tx).await?;
        self.counter_deltas = sqlx::query_scalar("SELECT count(*) FROM counter_deltas").fetch_one(&mut *tx).await?;
        Ok(())
    }
}

async fn metrics(tx: &mut PgConnection, table: &'static str) -> sqlx::Result<BTreeMap<Uuid, MetricRow>> {
    let sql = format!(
        "SELECT id, name, total_executions, successful_executions, failed_executions, avg_execution_time_ms FROM {table}"
    );
    let rows: Vec<MetricRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *tx).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

impl FromRow<'_, PgRow> for ExecutionRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            workflow_id: row.try_get("workflow_id")?,
            status: row.try_get("status")?,
            input_data: row.try_get("input_data")?,
            output_data: row.try_get("output_data")?,
            error_code: row.try_get("error_code")?,
            steps_total: row.try_get("steps_total")?,
            steps_completed: row.try_get("steps_completed")?,
            steps_failed: row.try_get("steps_failed")?,
            started_at: row.try_get("started_at")?,
            completed_at: row.try_get("completed_at")?,
            duration_ms: row.try_get("duration_ms")?,
            updated_at: row.try_get("updated_at")?,
            worker_id: row.try_get("worker_id")?,
            takeovers: row.try_get("takeovers")?,
            is_cancel_requested: row.try_get("is_cancel_requested")?,
            parent_execution_id: row.try_get("parent_execution_id")?,
            parent_path: row.try_get("parent_path")?,
        })
    }
}

impl FromRow<'_, PgRow> for StepRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            execution_id: row.try_get("execution_id")?,
            path: row.try_get("path")?,
            attempt: row.try_get("attempt")?,
            seq: row.try_get("seq")?,
            status: row.try_get("status")?,
            reason: row.try_get("reason")?,
            output: row.try_get("output")?,
            error_code: row.try_get("error_code")?,
            started_at: row.try_get("started_at")?,
            ended_at: row.try_get("ended_at")?,
            agent_id: row.try_get("agent_id")?,
        })
    }
}

impl FromRow<'_, PgRow> for MetricRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            total_executions: row.try_get("total_executions")?,
            successful_executions: row.try_get("successful_executions")?,
            failed_executions: row.try_get("failed_executions")?,
            avg_execution_time_ms: row.try_get("avg_execution_time_ms")?,
        })
    }
}
