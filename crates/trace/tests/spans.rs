//! What a span is put under, and what it tells the next process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in a helper")]

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing_subscriber::layer::SubscriberExt;
use turbocat_trace::{Traceparent, adopt, outgoing, told};

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps what it is to export.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

#[tokio::test]
async fn who_exports_nothing_tells_on_what_it_was_told() {
    let span = tracing::info_span!("work");
    assert_eq!(outgoing(&span), None);

    let told_on = told(Traceparent::parse(GIVEN), async { outgoing(&span) }).await;

    assert_eq!(told_on.map(|parent| parent.to_string()).as_deref(), Some(GIVEN));
}

#[tokio::test]
async fn who_exports_is_put_under_its_parent_and_tells_of_itself() {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let parent = Traceparent::parse(GIVEN);

    let span = tracing::info_span!("work");
    adopt(&span, &parent.unwrap());
    let told_on = outgoing(&span).map(|parent| parent.to_string()).unwrap_or_default();
    drop(span);

    drop(guard);
    let spans = exporter.0.lock().unwrap().clone();
    let [work] = spans.as_slice() else { unreachable!("{spans:?}") };
    assert_eq!(work.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(told_on, format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", work.span_context.span_id()));
}
