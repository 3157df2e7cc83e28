//! The only way out of the process by network: one client, which looks at every address before it connects.
//!
//! # Invariants
//!
//! 1. A connection is made only to an address that the [`EgressPolicy`] permits: names are judged by what they
//!    resolve to, at the moment of connecting; addresses in a URL are judged before anything is sent.
//! 2. No redirect is followed, and no proxy of the environment is used.
//! 3. No more than the limit is read of an answer.

mod address;
mod answer;
mod policy;
mod resolver;

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::StreamExt;
use reqwest::{Client, ClientBuilder, Request, Response, Url, header::HeaderValue, redirect};
use tracing::{Instrument, Span, field::Empty};
use turbocat_domain::{limits, step_run::StepError};

pub(crate) use self::answer::{Answer, is_retryable};
pub use self::policy::{EgressPolicy, InvalidEgressRule};
use self::{policy::EgressDenied, resolver::PolicedResolver};

/// Sends requests to where the policy permits.
#[derive(Debug, Clone)]
pub(crate) struct EgressClient {
    client: Client,
    policy: Arc<EgressPolicy>,
}

impl EgressClient {
    /// A client with a pool of connections of its own.
    pub(crate) fn new(policy: EgressPolicy) -> reqwest::Result<Self> {
        // Another part of the process may have chosen a provider already, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let client = builder(&policy).build().or_else(|error| {
            // A machine without certificates can still speak http, and the server must not fail to start for it.
            tracing::warn!(error = %error, "no root certificates were found: agents cannot use https");
            builder(&policy).tls_certs_only([]).build()
        })?;
        Ok(Self { client, policy })
    }

    /// Sends a request and reads the whole answer, all within the timeout.
    pub(crate) async fn send(&self, request: Request, timeout_ms: u64) -> Result<Answer, StepError> {
        self.send_observed(request, timeout_ms, &mut |_| {}).await
    }

    /// The same, and shows the answer's body as it comes.
    pub(crate) async fn send_observed(
        &self,
        request: Request,
        timeout_ms: u64,
        observe: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Answer, StepError> {
        let url = request.url().clone();
        self.check(&url)?;
        let span = tracing::info_span!(
            "agent.request",
            otel.kind = "client", http.request.method = %request.method(), server.address = url.host_str(),
            http.response.status_code = Empty, otel.status_code = Empty, error.type = Empty,
        );
        let request = traced(request, &span);
        let exchange = async {
            let response = self.client.execute(request).await.map_err(|error| explain(&url, &error))?;
            Span::current().record("http.response.status_code", response.status().as_u16());
            read(&url, response, observe).await
        };
        let timed = tokio::time::timeout(Duration::from_millis(timeout_ms), exchange);
        let answer = timed.instrument(span.clone()).await.unwrap_or_else(|_| {
            let message = format!("{} did not answer within {timeout_ms} ms", place(&url));
            Err(StepError::transient("upstream_timeout", message))
        });
        if let Err(error) = &answer {
            span.record("otel.status_code", "ERROR").record("error.type", error.code.as_str());
        }
        answer
    }

    /// The client itself, for a library that sends its requests to this one URL. What it connects to is judged, too.
    pub(crate) fn client_for(&self, url: &Url) -> Result<Client, StepError> {
        self.check(url)?;
        Ok(self.client.clone())
    }

    /// What the resolver never sees: the scheme, and an address in place of a name.
    fn check(&self, url: &Url) -> Result<(), StepError> {
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("only http and https are spoken, not `{}`", url.scheme());
            return Err(StepError::permanent("egress_denied", message));
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) => self.policy.permit_address(host, address).map_err(|denied| deny(&denied)),
            Err(_) => Ok(()),
        }
    }
}

/// The request with the trace that it belongs to, unless its author says another.
fn traced(mut request: Request, span: &Span) -> Request {
    let trace = turbocat_trace::outgoing(span).and_then(|trace| HeaderValue::from_str(&trace.to_string()).ok());
    if let Some(trace) = trace {
        request.headers_mut().entry(turbocat_trace::HEADER).or_insert(trace);
    }
    request
}

fn builder(policy: &Arc<EgressPolicy>) -> ClientBuilder {
    Client::builder()
        .dns_resolver(PolicedResolver::new(Arc::clone(policy)))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_millis(limits::API_CONNECT_TIMEOUT_MS))
        .user_agent(concat!("turbocat/", env!("CARGO_PKG_VERSION")))
}

async fn read(url: &Url, response: Response, observe: &mut (dyn FnMut(&[u8]) + Send)) -> Result<Answer, StepError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| explain(url, &error))?;
        if body.len() + chunk.len() > limits::API_RESPONSE_BYTES_MAX {
            let message = format!(
                "{} answered with more than {} bytes; ask it for less",
                place(url),
                limits::API_RESPONSE_BYTES_MAX
            );
            return Err(StepError::permanent("output_too_large", message));
        }
        observe(&chunk);
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

fn deny(denied: &EgressDenied) -> StepError {
    StepError::permanent("egress_denied", denied.to_string())
}

/// What a failed exchange means. Neither the query nor a password in the URL is told.
pub(crate) fn explain(url: &Url, error: &reqwest::Error) -> StepError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(current) = cause {
        if let Some(denied) = current.downcast_ref::<EgressDenied>() {
            return deny(denied);
        }
        last = current.to_string();
        cause = current.source();
    }
    let place = place(url);
    if error.is_timeout() {
        StepError::transient("upstream_timeout", format!("{place} did not answer in time"))
    } else if error.is_connect() || error.is_dns() {
        StepError::transient("connect_failed", format!("{place} cannot be reached: {last}"))
    } else if error.is_builder() {
        StepError::permanent("invalid_request", format!("the request cannot be sent: {last}"))
    } else {
        StepError::transient("connection_lost", format!("the exchange with {place} broke off: {last}"))
    }
}

/// Scheme, host and port: what may be told of a URL.
fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}
