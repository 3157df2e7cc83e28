//! How fast a page of many executions is: the newest and those in the middle, of all and of one status.

use std::time::Instant;

use anyhow::Context;
use chrono::{NaiveDateTime, SecondsFormat};
use serde_json::Value;

use crate::{
    client::{Client, Request},
    report::Target,
    served::Served,
    server::Database,
    stats::{ms, percentile},
};

/// How many pages are turned before it is begun anew.
const TURNED: usize = 5;
/// The longest that 99 of 100 pages may take, in milliseconds.
const PAGE_MS_MAX: f64 = 20.0;
/// What is listed: what it is called, and the filter.
const LISTS: [(&str, &str); 3] = [("", ""), (", completed", "&status=completed"), (", failed", "&status=failed")];

/// Turns pages of each list, one after another, from the newest on and from the middle on.
///
/// # Errors
///
/// If one is refused.
pub(super) async fn turn((database, served): (&Database, &Served), samples: usize) -> anyhow::Result<Vec<Target>> {
    let mut client = Client::connect(&served.address).await?;
    let middle = middle(&mut client, (database, served)).await?;
    let mut targets = Vec::new();
    for (of, filter) in LISTS {
        for (place, first) in [("first pages", None), ("pages in the middle", Some(&middle))] {
            let latencies_ms = list((&mut client, served), (filter, first), samples).await?;
            let p99 = percentile(&latencies_ms, 0.99).context("no page was turned")?;
            targets.push(Target::at_most(format!("p99 of the {place}{of}, ms"), p99, PAGE_MS_MAX));
        }
    }
    Ok(targets)
}

/// How long pages take from a cursor on, or from the beginning.
async fn list(
    (client, served): (&mut Client, &Served),
    (filter, first): (&str, Option<&String>),
    samples: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut latencies_ms = Vec::with_capacity(samples);
    while latencies_ms.len() < samples {
        let mut after = first.cloned();
        for _ in 0..TURNED {
            let cursor = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let request = get(served, &format!("limit=50{filter}{cursor}"));
            let began = Instant::now();
            client.want(200, &request).await?;
            latencies_ms.push(ms(began.elapsed()));
            after = next(&client.body)?;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(latencies_ms)
}

/// Where the second half of all executions begins.
async fn middle(client: &mut Client, (database, served): (&Database, &Served)) -> anyhow::Result<String> {
    let middle = "\
        SELECT created_at FROM executions ORDER BY created_at LIMIT 1
        OFFSET (SELECT count(*) / 2 FROM executions)";
    let middle: NaiveDateTime = sqlx::query_scalar(middle).fetch_one(&mut database.connect().await?).await?;
    let middle = middle.and_utc().to_rfc3339_opts(SecondsFormat::Micros, true);
    client.want(200, &get(served, &format!("limit=1&created_before={middle}"))).await?;
    next(&client.body)?.context("there is nothing in the middle")
}

fn get(served: &Served, query: &str) -> Request {
    Request::new("GET", &format!("/api/v1/executions?{query}"), Some(&served.key), None)
}

/// Where the page after this one begins, if there is one.
fn next(page: &[u8]) -> anyhow::Result<Option<String>> {
    let page: Value = serde_json::from_slice(page)?;
    Ok(page.get("next").and_then(Value::as_str).map(str::to_owned))
}
