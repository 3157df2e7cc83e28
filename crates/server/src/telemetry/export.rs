//! The exporter of spans: OTLP over HTTP, as the variables of OpenTelemetry say.
//!
//! # Invariants
//!
//! 1. Nothing is started before the first span has ended: until then the process may fork, and must have one thread.
//! 2. A collector that does not answer costs spans, and nothing else.

use std::{io, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use opentelemetry::{Context, KeyValue, trace::TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor},
};

use crate::config::variable;

/// Where spans go, by the names that OpenTelemetry gives its variables.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// How long one request to the collector may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what is left may take at the end of the process.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// Exports spans.
pub(super) struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// The exporter that the environment asks for, if it does.
    pub(super) fn from_environment() -> Option<Self> {
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_off || ENDPOINTS.into_iter().all(|name| variable(name).is_none()) {
            return None;
        }
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("turbocat");
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let late = Late { resource: resource.clone(), started: OnceLock::new() };
        Some(Self { provider: SdkTracerProvider::builder().with_span_processor(late).with_resource(resource).build() })
    }

    /// What makes spans.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("turbocat")
    }

    /// Exports what is left.
    pub(super) fn end(self) {
        // Who cannot be told is not worth waiting for.
        let _as_well_as_it_can = self.provider.shutdown_with_timeout(END_TIMEOUT);
    }
}

/// A processor that starts its thread with the first span.
#[derive(Debug)]
struct Late {
    resource: Resource,
    started: OnceLock<Option<BatchSpanProcessor>>,
}

impl Late {
    fn start(&self) -> Option<BatchSpanProcessor> {
        let client = Client::new().map_err(|error| tracing::error!(%error, "spans cannot be exported")).ok()?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|error| tracing::error!(%error, "spans cannot be exported")).ok()?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&self.resource);
        Some(processor)
    }
}

impl SpanProcessor for Late {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if let Some(processor) = self.started.get_or_init(|| self.start()) {
            processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.started.get().and_then(Option::as_ref).map_or(Ok(()), SpanProcessor::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let processor = self.started.get().and_then(Option::as_ref);
        processor.map_or(Ok(()), |processor| processor.shutdown_with_timeout(timeout))
    }
}

/// The way to the collector. The processor calls it from a thread of its own, which has no runtime.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    fn new() -> io::Result<Self> {
        // Another part of the process may have chosen a provider already, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = builder.build().map_err(io::Error::other)?;
        Ok(Self { http, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()? })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.http.execute(request.try_into()?).await?;
        let status = answer.status();
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        Ok(response)
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(self.exchange(request))
    }
}
