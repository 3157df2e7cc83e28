//! A database that goes away.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::Instant};
use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};

use crate::{
    documents::STEADY,
    turbocat::{Folder, Turbocat, gone, signal},
};

/// How long a worker may go unheard of.
const LEASE: Duration = Duration::from_secs(10);

/// Opens a cluster that nobody else has, and that keeps what it has acknowledged.
async fn open(folder: &Folder) -> Cluster {
    let root = folder.path().join("pg");
    let options = ClusterOptions {
        root,
        installation: Installation::find().unwrap(),
        durable: true,
        linger: Duration::from_millis(200),
    };
    spawn_blocking(move || Cluster::open(&options).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_database_that_goes_away_during_a_run_delays_it_and_nothing_else() {
    let folder = Folder::new("outage");
    let file = folder.write("steady.yaml", STEADY);
    let cluster = open(&folder).await;
    let turbocat = Turbocat::with_options(&[format!("--database-url={}", cluster.url(DATABASE))]);
    let mut run = turbocat.start(&["run", &file, "--json", "--log", "warn"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap();
    run.line(|event| event["path"] == "rounds[2].double" && event["status"] == "completed").await;

    // The server loses all connections at once, and comes back by replaying its log.
    signal(cluster.server_pid(), "QUIT").await;
    gone(cluster.server_pid()).await;
    let went_at = Instant::now();
    let message = |line: &Value| line["fields"]["message"].as_str().unwrap_or_default().to_owned();
    run.log_line(|line| message(line).contains("the lease ended")).await;
    // It has asked often enough by then for the pauses to be at their longest.
    let asks_seldom = |line: &Value| line["fields"]["pause_ms"].to_string().contains("2000");
    run.log_line(|line| line["fields"]["call"] == "worker.register" && asks_seldom(line)).await;
    assert!(went_at.elapsed() > LEASE, "{:?}", went_at.elapsed());
    let back = open(&folder).await;
    assert_eq!(back.url(DATABASE), cluster.url(DATABASE));

    let ended = run.line(|event| event["event"] == "ended").await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["output"]["doubles"], json!([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]));
    assert_eq!(run.end().await.code(), Some(0));
    assert_each_step_is_recorded_once(&turbocat, id).await;

    let server = back.server_pid();
    drop((cluster, back));
    gone(server).await;
}

/// Checks the journal and the log, which are written apart: each step once, at its first attempt.
async fn assert_each_step_is_recorded_once(turbocat: &Turbocat, id: &str) {
    let shown = turbocat.run(&["executions", "show", id, "--json"]).await.success().value();
    let mut recorded: Vec<_> = shown["steps"].as_array().unwrap().iter().map(step).collect();
    recorded.sort_unstable();
    let rounds = (0..10).flat_map(|round| [format!("rounds[{round}].double"), format!("rounds[{round}].nap")]);
    let mut expected: Vec<_> =
        rounds.chain(["rounds".to_owned()]).map(|path| (path, 1, "completed".to_owned())).collect();
    expected.sort_unstable();
    assert_eq!(recorded, expected, "{shown}");

    let log = turbocat.run(&["executions", "logs", id, "--json"]).await.success().values();
    let mut logged: Vec<_> = log.iter().map(|line| line["step"].as_str().unwrap()).collect();
    logged.sort_unstable();
    assert_eq!(logged, expected.iter().map(|(path, ..)| path).collect::<Vec<_>>(), "{log:?}");
}

fn step(record: &Value) -> (String, i64, String) {
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    (text("path"), record["attempt"].as_i64().unwrap(), text("status"))
}
