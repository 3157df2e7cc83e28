//! A database that goes away.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    task::spawn_blocking,
    time::{self, Instant},
};
use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};

use crate::{
    documents::STEADY,
    http::{ask, exchange, get},
    turbocat::{Folder, LOOK, Turbocat, gone, signal, within},
};

/// How long a worker may go unheard of.
const LEASE: Duration = Duration::from_secs(10);

/// How long a client waits until it is told that the database is gone.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// How long it takes until all is well again, once the database is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

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

#[tokio::test]
async fn without_its_database_the_server_says_so_soon_and_it_is_back_soon_after_it() {
    let folder = Folder::new("away");
    let cluster = open(&folder).await;
    let turbocat = Turbocat::with_options(&[format!("--database-url={}", cluster.url(DATABASE))]);
    let (server, address) = turbocat.up().await;
    let key = turbocat.key("ada@example.com").await;
    assert_it_is_back(&address, &key).await;

    // It hangs: connections stand, and nothing answers.
    let stopped = processes_of(cluster.server_pid());
    assert!(stopped.len() > 1, "{stopped:?}");
    for pid in &stopped {
        signal(*pid, "STOP").await;
    }
    assert_it_is_told(&address, &key).await;
    for pid in stopped.iter().rev() {
        signal(*pid, "CONT").await;
    }
    assert_it_is_back(&address, &key).await;

    // It is gone: nobody listens.
    signal(cluster.server_pid(), "QUIT").await;
    gone(cluster.server_pid()).await;
    assert_it_is_told(&address, &key).await;
    let back = open(&folder).await;
    assert_it_is_back(&address, &key).await;

    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
    let pid = back.server_pid();
    drop((cluster, back));
    gone(pid).await;
}

/// Checks what a server without its database says: at once that it lives, soon that it cannot work.
async fn assert_it_is_told(address: &str, key: &str) {
    let problem = async |path, code: &str| {
        let asked_at = Instant::now();
        let (head, body) = exchange(address, get(path, key)).await;
        let took = asked_at.elapsed();
        assert!(took < TOLD_WITHIN, "{path} took {took:?}: {head}");
        assert!(head.starts_with("HTTP/1.0 503") && head.contains("application/problem+json"), "{path}: {head}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], code, "{path}: {body}");
    };
    let lives = async {
        let asked_at = Instant::now();
        assert_eq!(ask(address, get("/health", "")).await.0, 200);
        assert!(asked_at.elapsed() < TOLD_WITHIN);
    };
    tokio::join!(problem("/ready", "not_ready"), problem("/api/v1/workflows", "unavailable"), lives);
}

/// Checks that everything works, soon from now.
async fn assert_it_is_back(address: &str, key: &str) {
    let since = Instant::now();
    let mut look = time::interval(LOOK);
    within("everything works", async {
        while ask(address, get("/ready", "")).await.0 != 200
            || ask(address, get("/api/v1/workflows", key)).await.0 != 200
        {
            look.tick().await;
        }
    })
    .await;
    assert!(since.elapsed() < BACK_WITHIN, "{:?}", since.elapsed());
}

/// A server and the processes that it has started: itself first, so that it starts no more.
fn processes_of(server: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let children = entries.filter_map(|name| name.parse::<u32>().ok()).filter(|pid| {
        // A process may end while it is looked at. Behind the name, which may hold anything, stand state and parent.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let behind = stat.rsplit_once(')').map(|(_, behind)| behind.to_owned()).unwrap_or_default();
        behind.split_whitespace().nth(1).and_then(|parent| parent.parse::<u32>().ok()) == Some(server)
    });
    [server].into_iter().chain(children).collect()
}
