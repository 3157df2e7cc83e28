//! `turbocat bench`, as short as it can be: that it measures, not what.

use serde_json::Value;

use crate::turbocat::Turbocat;

/// Fields that every workload has, whether they make sense for it or not.
const FIELDS: [&str; 14] = [
    "name",
    "steps_per_s",
    "executions_per_s",
    "p50_ms",
    "p99_ms",
    "limit_steps_per_s",
    "ratio_to_limit",
    "commits_per_step",
    "round_trips_per_step",
    "wal_bytes_per_step",
    "rows_per_step",
    "server_cpu_us_per_step",
    "engine_cpu_us_per_step",
    "rss_bytes_max",
];

#[tokio::test]
async fn one_execution_at_a_time_is_measured_against_its_limit() {
    let turbocat = Turbocat::with_database().await;

    let answer =
        turbocat.run(&["bench", "--workload", "single", "--seconds", "1", "--rounds", "1", "--json"]).await.success();

    let report = answer.value();
    for field in ["cpu", "cores", "memory_bytes", "kernel", "postgres", "settings"] {
        assert!(report["machine"].get(field).is_some(), "{field} is missing: {report}");
    }
    let workloads = report["workloads"].as_array().unwrap();
    let names: Vec<&str> = workloads.iter().filter_map(|workload| workload["name"].as_str()).collect();
    assert_eq!(names, ["single", "single-chain", "single-fanout"]);
    for workload in workloads {
        for field in FIELDS {
            assert!(workload.get(field).is_some(), "{field} is missing: {workload}");
        }
        assert!(positive(&workload["p50_ms"]) && positive(&workload["ratio_to_limit"]), "{workload}");
        assert!(positive(&workload["wal_bytes_per_step"]) && positive(&workload["rows_per_step"]), "{workload}");
        let targets = workload["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{workload}");
        for target in targets {
            let (value, bound) = (target["value"].as_f64().unwrap(), target["bound"].as_f64().unwrap());
            assert_eq!(target["met"], value <= bound, "{target}");
        }
    }
}

#[tokio::test]
async fn a_server_is_measured_over_http() {
    let turbocat = Turbocat::with_database().await;
    let short = ["--seconds", "1", "--rounds", "1", "--history", "20000"];

    let answer = turbocat.run(&[["bench", "--json", "--workload", "http"].as_slice(), &short].concat()).await.success();

    let report = answer.value();
    let [workload] = report["workloads"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert!(positive(&workload["executions_per_s"]) && positive(&workload["limit"]["executions_per_s"]), "{workload}");
    assert!(positive(&workload["p99_ms"]) && positive(&workload["ratio_to_limit"]), "{workload}");
    let targets = workload["targets"].as_array().unwrap();
    let (pages, others): (Vec<_>, Vec<_>) =
        targets.iter().partition(|target| target["name"].as_str().unwrap().starts_with("p99 of the"));
    assert!(pages.len() == 6 && pages.iter().all(|page| positive(&page["value"])), "{pages:?}");
    assert_eq!(others.len(), 3, "{others:?}");
}

fn positive(figure: &Value) -> bool {
    figure.as_f64().is_some_and(|figure| figure > 0.0)
}
