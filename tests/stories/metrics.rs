//! What Prometheus is told.

use std::collections::BTreeMap;

use crate::{
    http::{ask, count_three_words, exchange, get},
    turbocat::Turbocat,
};

/// The samples of a page, by their names with their labels.
fn samples(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn what_was_done_is_told_on_a_listener_of_its_own_and_nowhere_else() {
    let turbocat = Turbocat::with_database().await.with_variable("TURBOCAT_METRICS", "127.0.0.1:0");
    let (mut server, address) = turbocat.up().await;
    let line = server.log_line(|line| line["fields"]["message"] == "metrics are served").await;
    let metrics = line["fields"]["address"].as_str().unwrap().to_owned();
    let key = turbocat.key("ada@example.com").await;
    count_three_words(&address, &key, "").await;
    assert_eq!(ask(&address, get("/nothing/of/this/name", "")).await.0, 404);

    let (head, page) = exchange(&metrics, get("/metrics", "")).await;
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    let samples = samples(&page);
    let sample = |name: &str| samples.get(name).unwrap_or_else(|| panic!("no {name} in {page}"));
    let count =
        |name: &str| sample(name).parse::<u64>().unwrap_or_else(|_| panic!("no number: {name} {}", sample(name)));
    let seconds =
        |name: &str| sample(name).parse::<f64>().unwrap_or_else(|_| panic!("no number: {name} {}", sample(name)));
    assert_eq!(count("turbocat_executions_started_total"), 1);
    assert_eq!(count("turbocat_executions_recovered_total"), 0);
    assert_eq!(count("turbocat_executions_ended_total{status=\"completed\"}"), 1);
    assert_eq!(count("turbocat_executions_ended_total{status=\"failed\"}"), 0);
    assert_eq!(count("turbocat_steps_ended_total{status=\"completed\"}"), 1);
    assert_eq!(count("turbocat_executions_owned"), 0);
    assert_eq!(count("turbocat_database_up"), 1);
    assert_eq!(count("turbocat_queue_claimable"), 0);
    let flushes = count("turbocat_journal_flush_duration_seconds_count");
    assert!(flushes >= 1 && count("turbocat_journal_rows_total") >= 2, "{page}");
    assert_eq!(count("turbocat_journal_flush_duration_seconds_bucket{le=\"+Inf\"}"), flushes);
    assert!(seconds("turbocat_journal_flush_duration_seconds_sum") > 0.0);
    assert!(seconds("turbocat_lease_age_seconds") < 10.0);
    assert!(count("turbocat_database_connections{pool=\"main\",state=\"idle\"}") >= 1);
    let started = "method=\"POST\",route=\"/api/v1/executions\"";
    assert_eq!(count(&format!("turbocat_http_requests_total{{{started},status=\"200\"}}")), 1);
    assert_eq!(count(&format!("turbocat_http_request_duration_seconds_count{{{started}}}")), 1);
    assert_eq!(count("turbocat_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}"), 1);

    assert_eq!(ask(&address, get("/metrics", &key)).await.0, 404, "not where clients are");
    assert_eq!(ask(&metrics, get("/health", "")).await.0, 404, "and nothing else there");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}
