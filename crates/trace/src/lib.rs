//! W3C trace context: where a trace comes from, and where it goes on.
//!
//! Spans are those of `tracing`. Whether they are exported is the server's choice; this crate knows no exporter. It puts
//! a span under a parent of another process ([`adopt`]), and says what the next process is told ([`outgoing`]): the span
//! at hand where spans are exported, and else what this process was told itself, so that a trace of others does not end
//! here because nobody exports from here.

mod traceparent;

use opentelemetry::{
    Context,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use self::traceparent::{HEADER, Traceparent};

tokio::task_local! {
    /// What this task was told.
    static TOLD: Option<Traceparent>;
}

/// Puts a span under a parent of another process. Must be called before anything happens in it.
pub fn adopt(span: &Span, parent: &Traceparent) {
    let (trace, id, flags) = parent.parts();
    let remote = SpanContext::new(trace, id, flags, true, TraceState::default());
    // Without an exporter there is nothing to be put under anything.
    let _nobody_exports = span.set_parent(Context::new().with_remote_span_context(remote));
}

/// Does work that was told this: what goes out of it tells it on.
pub async fn told<F: Future>(parent: Option<Traceparent>, work: F) -> F::Output {
    TOLD.scope(parent, work).await
}

/// What the next process is told from within a span: the span, if it is exported, and else what this process was told.
#[must_use]
pub fn outgoing(span: &Span) -> Option<Traceparent> {
    let context = span.context();
    let span = context.span();
    let exported = Traceparent::from_span(span.span_context());
    exported.or_else(|| TOLD.try_with(Clone::clone).ok().flatten())
}
