//! The same rows in the same tables as the engine's, committed by the fastest batches.
//!
//! Each batch accepts some executions, and gives those of the batch before all their steps, the lines of their logs
//! and their end. So the rows are the engine's and their order is one that PostgreSQL takes, but no step waits for
//! the commit of the one before it, nothing is decided, and no lease is checked. Ids and times come from the client,
//! since results come from outside; the arrays of a batch are made while the one before is under way.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDateTime};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{runtime::Handle, task::JoinSet};
use turbocat_domain::port::{Clock, IdGenerator};
use uuid::Uuid;

use crate::{
    adapter::{SystemClock, UuidV7},
    agent::OUTPUT,
    document::{Shape, Workflow},
    server::Database,
    stats::number,
};

const BATCH: &str = include_str!("rows.sql");

/// The sizes of batches that are tried, in steps.
const SIZES: [usize; 3] = [100, 1_000, 4_000];
/// The numbers of connections that are tried.
const CONNECTIONS: [usize; 2] = [1, 2];

/// How large the batches are, and on how many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// Steps a batch, about.
    pub(crate) steps: usize,
    /// Connections at once.
    pub(crate) connections: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    /// Steps a second, without the beginning.
    pub(crate) steps_per_s: f64,
    /// All steps.
    pub(crate) steps: u64,
}

/// What belongs to a workflow's rows.
#[derive(Debug, Clone)]
struct Constants {
    keys: Vec<(String, Uuid)>,
    agent: Uuid,
    workflow: Uuid,
    user: Uuid,
    worker: Uuid,
}

/// The limit of one shape of workflow.
#[derive(Debug, Clone)]
pub(crate) struct RowLimit {
    constants: Constants,
    options: PgConnectOptions,
}

impl RowLimit {
    /// Prepares the limit of a workflow that is published.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub(crate) async fn prepare(database: &Database, workflow: &Workflow, shape: &Shape) -> anyhow::Result<Self> {
        let mut session = database.connect().await?;
        let steps: Vec<(String, Uuid, Option<Uuid>)> =
            sqlx::query_as("SELECT step_key, id, agent_id FROM workflow_steps WHERE workflow_id = $1")
                .bind(workflow.id.as_uuid())
                .fetch_all(&mut session)
                .await?;
        let agent = steps.iter().find_map(|(_, _, agent)| *agent).context("the workflow has no agent")?;
        let mut keys = Vec::new();
        for key in shape.keys() {
            let step = steps.iter().find(|(step_key, ..)| *step_key == key).context("a step is missing")?;
            keys.push((key, step.1));
        }
        let (workflow, user, worker) = (workflow.id.as_uuid(), workflow.user_id.as_uuid(), UuidV7.next());
        let constants = Constants { keys, agent, workflow, user, worker };
        Ok(Self { constants, options: connect_options(database) })
    }

    /// The fastest of all ways, each tried for so long.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub(crate) async fn fastest_way(&self, threads: &Handle, each: Duration) -> anyhow::Result<Way> {
        let mut best = (0.0, Way { steps: 0, connections: 0 });
        for connections in CONNECTIONS {
            for steps in SIZES {
                let way = Way { steps, connections };
                let per_s = self.write(threads, way, each).await?.steps_per_s;
                tracing::info!(?way, per_s, "tried a way of writing the rows");
                if per_s > best.0 {
                    best = (per_s, way);
                }
            }
        }
        Ok(best.1)
    }

    /// Writes for so long.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub(crate) async fn write(&self, threads: &Handle, way: Way, measured: Duration) -> anyhow::Result<Written> {
        let mut tasks = JoinSet::new();
        for _ in 0..way.connections {
            let limit = self.clone();
            tasks.spawn_on(async move { limit.write_alone(way.steps, measured).await }, threads);
        }
        let mut sum = Written::default();
        while let Some(written) = tasks.join_next().await {
            let written = written??;
            sum.steps_per_s += written.steps_per_s;
            sum.steps += written.steps;
        }
        Ok(sum)
    }

    async fn write_alone(&self, size: usize, measured: Duration) -> anyhow::Result<Written> {
        let mut session = PgConnection::connect_with(&self.options).await?;
        let width = (size / self.constants.keys.len()).max(1);
        let mut batch = Batch::first(width);
        let (mut began, mut steps, mut uncounted) = (Instant::now(), 0_u64, 0_u64);
        // The first two are not counted: one has no steps, and with the other the statement is planned anew.
        for count in 0_u64.. {
            let next = async { batch.next(&self.constants, width) };
            let (written, next) = tokio::join!(batch.write(&mut session, &self.constants), next);
            written?;
            steps += u64::try_from(batch.execution_id.len())?;
            if count < 2 {
                (began, uncounted) = (Instant::now(), steps);
            }
            if began.elapsed() >= measured {
                break;
            }
            batch = next;
        }
        let steps_per_s = number(steps - uncounted) / began.elapsed().as_secs_f64();
        session.close().await?;
        Ok(Written { steps_per_s, steps })
    }
}

/// A session whose plans read by keys, as those of the engine's journal: the statement is planned on empty tables.
fn connect_options(database: &Database) -> PgConnectOptions {
    database.options.clone().options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
    ])
}

/// The arrays of a batch.
#[derive(Debug, Default)]
struct Batch {
    accepted: Vec<Uuid>,
    ended: Vec<Uuid>,
    execution_id: Vec<Uuid>,
    path: Vec<String>,
    seq: Vec<i32>,
    output: Vec<&'static str>,
    at: Vec<NaiveDateTime>,
    workflow_step_id: Vec<Uuid>,
    log_id: Vec<Uuid>,
}

impl Batch {
    /// Accepts so many executions.
    fn first(width: usize) -> Self {
        Self { accepted: new_ids(width), ..Self::default() }
    }

    /// Runs what this one accepts, and accepts as many again.
    fn next(&self, constants: &Constants, width: usize) -> Self {
        let mut next = Self { ended: self.accepted.clone(), ..Self::default() };
        let at = now();
        for execution in &self.accepted {
            for ((key, step), seq) in constants.keys.iter().zip(0..) {
                next.execution_id.push(*execution);
                next.path.push(key.clone());
                next.seq.push(seq);
                next.output.push(OUTPUT);
                next.at.push(at);
                next.workflow_step_id.push(*step);
            }
        }
        next.log_id = new_ids(next.execution_id.len());
        next.accepted = new_ids(width);
        next
    }

    async fn write(&self, session: &mut PgConnection, constants: &Constants) -> anyhow::Result<()> {
        sqlx::query(BATCH)
            .bind(&self.accepted)
            .bind(&self.ended)
            .bind(&self.execution_id)
            .bind(&self.path)
            .bind(&self.seq)
            .bind(&self.output)
            .bind(&self.at)
            .bind(&self.workflow_step_id)
            .bind(&self.log_id)
            .bind(constants.agent)
            .bind(constants.workflow)
            .bind(constants.user)
            .bind(constants.worker)
            .bind(i32::try_from(constants.keys.len())?)
            .execute(session)
            .await?;
        Ok(())
    }
}

fn new_ids(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| UuidV7.next()).collect()
}

fn now() -> NaiveDateTime {
    DateTime::naive_utc(&SystemClock.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_runs_what_the_one_before_accepted() {
        let keys = vec![("a".to_owned(), Uuid::from_u128(1)), ("b".to_owned(), Uuid::from_u128(2))];
        let id = Uuid::nil();
        let constants = Constants { keys, agent: id, workflow: id, user: id, worker: id };
        let first = Batch::first(3);

        let second = first.next(&constants, 3);

        assert_eq!(second.ended, first.accepted);
        assert_eq!((second.execution_id.len(), second.log_id.len(), second.accepted.len()), (6, 6, 3));
        assert_eq!((&second.path[1], second.seq[1], second.execution_id[1]), (&"b".to_owned(), 1, first.accepted[0]));
        assert!(second.log_id.is_sorted());
    }
}
