//! A server over HTTP: how many executions it starts, against the insert that a start cannot do without; how fast a page
//! of many executions is (see [`pages`]); and what an API key costs.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;
use turbocat_domain::port::IdGenerator as _;
use uuid::Uuid;

use super::{history, pages};
use crate::{
    adapter::UuidV7,
    bench::Bench,
    client::{Client, Request},
    document::Workflow,
    report::{Figures, Target, Workload},
    served::Served,
    server::Database,
    stats::{median, ms, number, percentile},
    subject::POOL_MAX,
};

/// How many clients start executions at once, each on a connection of its own.
const CLIENTS: usize = 32;
/// How long a client waits that is asked to.
const WAIT: Duration = Duration::from_millis(2);
/// Of how many requests each latency is taken, for each second that is measured for.
const SAMPLES_A_SECOND: u64 = 100;
/// A session that has nothing to do reports what it did within this time.
const REPORTED: Duration = Duration::from_secs(2);

/// What is inserted for a start, and nothing else: one row that everybody may claim.
const INSERT: &str = r#"
    INSERT INTO executions (
        id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, deadline_at, depth,
        wake_at, created_at, updated_at
    )
    VALUES ($1, $2, $3, 'pending', 'api', '{}', '{"number":1}', 1, LOCALTIMESTAMP + INTERVAL '1 day', 0,
            LOCALTIMESTAMP + INTERVAL '1 year', LOCALTIMESTAMP, LOCALTIMESTAMP)"#;

/// What some clients reached together.
struct Reached {
    per_s: f64,
    latencies_ms: Vec<f64>,
}

/// Measures a server.
///
/// # Errors
///
/// What kept it from being measured.
pub(crate) async fn http(bench: &Bench<'_>) -> anyhow::Result<Workload> {
    bench
        .on_database("http", async |database| {
            let workflow = Workflow::publish_document(database, &document(), 1).await?;
            let served = Served::start(database).await?;
            let mut starts = Starts { bench, database, workflow: &workflow, rounds: Vec::new(), limits: Vec::new() };
            for number in 1..=bench.args.rounds {
                starts.round(&served, number).await?;
            }
            let samples = usize::try_from(bench.args.measured().as_secs() * SAMPLES_A_SECOND)?;
            let (auth_ms, key_writes) = (auth(&served, samples).await?, starts.key_writes(&served).await?);
            let rows = bench.args.history.first().copied().unwrap_or_default();
            bench.say(&format!("http: {rows} old executions are written"));
            history::load(database, &workflow, rows).await?;
            let pages = pages::turn((database, &served), samples).await?;
            served.end().await?;
            Ok(starts.workload(auth_ms, key_writes, (rows, pages)))
        })
        .await
}

/// It waits for what does not come while it is measured: what is measured is the start. Its input is checked.
fn document() -> Value {
    let wait = json!({ "key": "wait", "type": "wait", "config": { "duration_ms": 80_000_000 } });
    let input = json!({
        "type": "object",
        "required": ["number"],
        "properties": { "number": { "type": "integer", "minimum": 1 } },
        "additionalProperties": false,
    });
    json!({ "name": "bench", "settings": { "timeout_ms": 86_400_000 }, "input": input, "steps": [wait] })
}

/// Starts, and the inserts that they are compared with.
struct Starts<'a> {
    bench: &'a Bench<'a>,
    database: &'a Database,
    workflow: &'a Workflow,
    rounds: Vec<Figures>,
    limits: Vec<f64>,
}

impl Starts<'_> {
    async fn round(&mut self, served: &Served, round: u32) -> anyhow::Result<()> {
        let reached = self.over_http(served).await?;
        let limit = self.inserts().await?;
        self.bench.say(&format!("http, round {round}: {:.0} starts/s, {:.0} inserts/s", reached.per_s, limit.per_s));
        self.rounds.push(Figures {
            executions_per_s: Some(reached.per_s),
            p50_ms: percentile(&reached.latencies_ms, 0.5),
            p99_ms: percentile(&reached.latencies_ms, 0.99),
            ..Figures::default()
        });
        self.limits.push(limit.per_s);
        Ok(())
    }

    async fn over_http(&self, served: &Served) -> anyhow::Result<Reached> {
        let body = json!({ "workflow_id": self.workflow.id.to_string(), "input": { "number": 1 } }).to_string();
        let request = Request::new("POST", "/api/v1/executions", Some(&served.key), Some(&body));
        let (address, until) = (served.address.clone(), self.until());
        self.all(move || start(address.clone(), request.clone(), until)).await
    }

    async fn inserts(&self) -> anyhow::Result<Reached> {
        let options = self.database.options.clone();
        let connecting = self.bench.threads.spawn(PgPoolOptions::new().max_connections(POOL_MAX).connect_with(options));
        let pool: PgPool = connecting.await??;
        let (workflow_id, user_id) = (self.workflow.id.as_uuid(), self.workflow.user_id.as_uuid());
        let (clients, until) = (pool.clone(), self.until());
        let reached = self.all(move || insert(clients.clone(), (workflow_id, user_id), until)).await?;
        pool.close().await;
        Ok(reached)
    }

    fn until(&self) -> Instant {
        Instant::now() + self.bench.args.measured()
    }

    /// Lets all clients work to their end.
    async fn all<F>(&self, work: impl Fn() -> F) -> anyhow::Result<Reached>
    where
        F: Future<Output = anyhow::Result<Vec<f64>>> + Send + 'static,
    {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn_on(work(), self.bench.threads);
        }
        let mut latencies_ms = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies_ms.extend(client??);
        }
        let count = number(u64::try_from(latencies_ms.len())?);
        Ok(Reached { per_s: count / began.elapsed().as_secs_f64(), latencies_ms })
    }

    /// How often the row of the key is written in a second while it is used.
    async fn key_writes(&self, served: &Served) -> anyhow::Result<f64> {
        let mut session = self.database.connect().await?;
        let before = writes_to_keys(&mut session).await?;
        let began = Instant::now();
        self.over_http(served).await?;
        let seconds = began.elapsed().as_secs_f64();
        let after = writes_to_keys(&mut session).await?;
        Ok(number(u64::try_from(after - before)?) / seconds)
    }

    fn workload(self, auth_ms: f64, key_writes: f64, (rows, pages): (u64, Vec<Target>)) -> Workload {
        let ratios = self.rounds.iter().zip(&self.limits);
        let ratios: Vec<f64> = ratios.filter_map(|(round, limit)| Some(round.executions_per_s? / limit)).collect();
        let ratio = median(&ratios);
        let starts = Target::at_least("starts as a share of the bare inserts", ratio.unwrap_or_default(), 0.5);
        let keys = [
            Target::at_most("what a key adds to a request, p50, ms", auth_ms, 0.2),
            Target::at_most("writes a second for a key in use", key_writes, 1.0),
        ];
        Workload {
            name: "http".to_owned(),
            figures: Figures::median(&self.rounds),
            limit: Figures { executions_per_s: median(&self.limits), ..Figures::default() },
            ratio_to_limit: ratio,
            notes: vec![
                format!("{CLIENTS} clients start executions with an API key; each is durable before it is answered"),
                format!("the limit is one row inserted and committed, through a pool of {POOL_MAX} connections"),
                format!(
                    "pages of 50 out of {rows} executions, one in a hundred of which failed, and those that were started"
                ),
            ],
            targets: [starts].into_iter().chain(pages).chain(keys).collect(),
            ..Workload::default()
        }
    }
}

/// One client that starts executions until a moment; how long each took. All at once are more than a burst of one key
/// may be: who is asked to wait waits.
async fn start(address: String, request: Request, until: Instant) -> anyhow::Result<Vec<f64>> {
    let mut client = Client::connect(&address).await?;
    let mut latencies_ms = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        match client.send(&request).await? {
            202 => latencies_ms.push(ms(began.elapsed())),
            429 => tokio::time::sleep(WAIT).await,
            status => bail!("the server answers {status}: {}", String::from_utf8_lossy(&client.body)),
        }
    }
    Ok(latencies_ms)
}

/// One client that inserts rows until a moment.
async fn insert(pool: PgPool, of: (Uuid, Uuid), until: Instant) -> anyhow::Result<Vec<f64>> {
    let mut latencies_ms = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        sqlx::query(INSERT).bind(UuidV7.next()).bind(of.0).bind(of.1).execute(&pool).await?;
        latencies_ms.push(ms(began.elapsed()));
    }
    Ok(latencies_ms)
}

/// What was written to the table of the keys, in which there is one. Whoever wrote has told of it by then.
async fn writes_to_keys(session: &mut PgConnection) -> anyhow::Result<i64> {
    tokio::time::sleep(REPORTED).await;
    let writes = "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'api_keys'";
    Ok(sqlx::query_scalar(writes).fetch_one(session).await?)
}

/// How much longer a request takes that needs to know who asks, and nothing else.
async fn auth(served: &Served, samples: usize) -> anyhow::Result<f64> {
    let known = Request::new("GET", "/api/v1/me", Some(&served.key), None);
    let anybody = Request::new("GET", "/health", None, None);
    let mut client = Client::connect(&served.address).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // In turns: what the machine does besides meets both.
    for _ in 0..samples {
        for (request, latencies_ms) in [(&known, &mut with), (&anybody, &mut without)] {
            let began = Instant::now();
            client.want(200, request).await?;
            latencies_ms.push(ms(began.elapsed()));
        }
    }
    let p50 = |latencies_ms: &[f64]| percentile(latencies_ms, 0.5).context("nothing was measured");
    Ok(p50(&with)? - p50(&without)?)
}
