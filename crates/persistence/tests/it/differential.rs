//! The in-memory store beside the database: what a simulation proves on the one holds on the other.

use turbocat_testkit::{
    contract::differential::{Report, differential},
    memory::MemoryStore,
};

use crate::fixture::Fixture;

const SEEDS: u64 = 20;
const STEPS: usize = 250;

/// How often at least each thing is asked over all seeds, or comes of it: a comparison of less would prove little.
const TIMES_MIN: [(&str, u64); 37] = [
    ("agent", 60),
    ("append", 60),
    ("cancel", 60),
    ("children ended", 200),
    ("claim", 250),
    ("claimed", 500),
    ("claimed with records", 200),
    ("commit", 350),
    ("commits fenced", 50),
    ("commits repeated", 70),
    ("count live", 60),
    ("ended children", 80),
    ("events received", 40),
    ("execution", 300),
    ("executions ended", 80),
    ("executions parked", 80),
    ("executions taken over", 150),
    ("facts folded", 200),
    ("fold", 60),
    ("insert", 250),
    ("insert refused", 10),
    ("inserts repeated", 70),
    ("inserts repeated by their owner", 10),
    ("list", 20),
    ("log", 300),
    ("mail taken", 15),
    ("next due", 40),
    ("publish", 60),
    ("received", 60),
    ("records", 300),
    ("records read", 400),
    ("release", 20),
    ("release unknown", 60),
    ("released unknown", 60),
    ("renew", 40),
    ("take over", 70),
    ("woken by an event", 30),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_store_answers_like_the_one_in_memory_whatever_is_asked() {
    let mut total = Report::new();
    for seed in 0..SEEDS {
        let report = differential(&MemoryStore::default(), &Fixture::new().await, seed, STEPS).await;
        for (what, times) in report {
            *total.entry(what).or_default() += times;
        }
    }
    println!("{total:#?}");
    for (what, times_min) in TIMES_MIN {
        let times = total.get(what).copied().unwrap_or_default();
        assert!(times >= times_min, "{what}: {times} times, and not {times_min}");
    }
}
