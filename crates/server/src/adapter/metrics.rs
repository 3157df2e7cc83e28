//! Metrics for Prometheus: what the engine, the store and the HTTP adapter count, written down when it is asked for.
//!
//! Nothing is computed between two scrapes but counters. The queue is counted at a scrape; a database that does not
//! answer then is a metric too, and the others are told all the same.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, NoLabelSet, text},
    metrics::{MetricType, counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use turbocat_engine::{EngineFigures, EngineHandle};
use turbocat_http::{Answered, Exposition, RequestMeter};
use turbocat_persistence::{PgStore, PoolFigures, QueueFigures};

const PREFIX: &str = "turbocat";
/// How long the queue may take to be counted: a scrape is given up after some seconds, and then tells nothing.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// The bounds of the durations of requests, in seconds.
const REQUEST_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// Counts the requests of the HTTP adapter.
#[derive(Debug, Clone)]
pub(crate) struct HttpMeter {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl Default for HttpMeter {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(REQUEST_BOUNDS);
        Self { requests: Family::default(), durations: Family::new_with_constructor(histogram) }
    }
}

impl RequestMeter for HttpMeter {
    fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, duration } = *answered;
        let route = route.to_owned();
        self.durations.get_or_create(&RouteLabels { method, route: route.clone() }).observe(duration.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }
}

/// Everything that is measured in the process.
pub(crate) struct Metrics {
    pub(crate) engine: EngineHandle,
    pub(crate) store: PgStore,
    pub(crate) http: HttpMeter,
}

#[async_trait]
impl Exposition for Metrics {
    async fn expose(&self) -> String {
        let queue = tokio::time::timeout(QUEUE_TIMEOUT, self.store.queue_figures()).await;
        let snapshot = Snapshot {
            engine: self.engine.figures(),
            queue: queue.ok().and_then(Result::ok),
            pools: self.store.pools(),
        };
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("http_requests", "Requests that were answered", self.http.requests.clone());
        let help = "How long requests took until their answer began";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.http.durations.clone());
        let mut page = String::new();
        registry.register_collector(Box::new(snapshot));
        // Writing into a text cannot fail; half a page would be no page.
        match text::encode(&mut page, &registry) {
            Ok(()) => page,
            Err(fmt::Error) => String::new(),
        }
    }
}

/// What the engine and the store said at one moment.
#[derive(Debug)]
struct Snapshot {
    engine: EngineFigures,
    queue: Option<QueueFigures>,
    pools: [PoolFigures; 3],
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.executions(&mut page)?;
        self.journal(&mut page)?;
        self.database(&mut page)
    }
}

impl Snapshot {
    fn executions(&self, page: &mut Page<'_>) -> fmt::Result {
        let EngineFigures { started, recovered, ended, steps, held: in_memory, lease_age, .. } = &self.engine;
        page.counter("executions_started", "Executions whose run was started here", *started)?;
        let help = "Executions whose run was recovered from the journal";
        page.counter("executions_recovered", help, *recovered)?;
        let ended: Vec<_> = ended.iter().map(|(status, count)| (status.as_str(), *count)).collect();
        page.counters("executions_ended", "Executions that ended here", &ended)?;
        let steps: Vec<_> = steps.iter().map(|(status, count)| (status.as_str(), *count)).collect();
        page.counters("steps_ended", "Attempts of steps that ended here", &steps)?;
        let owned = i64::try_from(*in_memory).unwrap_or(i64::MAX);
        page.gauge(("executions_owned", "Executions in the memory of this process"), None, owned)?;
        let help = "How long ago the lease was granted or renewed; absent while there is none";
        match lease_age {
            Some(age) => page.gauge(("lease_age", help), Some(&Unit::Seconds), age.as_secs_f64()),
            None => Ok(()),
        }
    }

    fn journal(&self, page: &mut Page<'_>) -> fmt::Result {
        let flushes = &self.engine.flushes;
        page.counter("journal_rows", "Rows that were committed to the journal", flushes.rows)?;
        let bound = |bound: &Option<Duration>| bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
        let buckets: Vec<_> = flushes.buckets.iter().map(|(most, count)| (bound(most), *count)).collect();
        let help = "How long commits to the journal took";
        page.0
            .encode_descriptor("journal_flush_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(flushes.total.as_secs_f64(), flushes.count(), &buckets, None)
    }

    fn database(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Whether the database answered at this scrape";
        page.gauge(("database_up", help), None, i64::from(self.queue.is_some()))?;
        if let Some(queue) = &self.queue {
            let help = "Executions that nobody owns and whose time has come, up to 10000";
            page.gauge(("queue_claimable", help), None, queue.claimable)?;
            let help = "Executions that nobody owns until their time comes, up to 10000";
            page.gauge(("queue_parked", help), None, queue.parked)?;
            let help = "For how long the first execution has been due that nobody has claimed";
            page.gauge(("queue_oldest", help), Some(&Unit::Seconds), queue.due_for_s.unwrap_or_default())?;
        }
        let help = "Connections of the pools";
        let mut metric = page.0.encode_descriptor("database_connections", help, None, MetricType::Gauge)?;
        for PoolFigures { name, open, idle } in self.pools {
            for (state, count) in [("idle", idle), ("used", open - idle)] {
                metric.encode_family(&[("pool", name), ("state", state)])?.encode_gauge(&i64::from(count))?;
            }
        }
        Ok(())
    }
}

/// Where metrics are written to.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn counters(&mut self, name: &str, help: &str, by_status: &[(&'static str, u64)]) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (status, count) in by_status {
            let labels = [("status", *status)];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(count, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, (name, help): (&str, &str), unit: Option<&Unit>, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }
}
