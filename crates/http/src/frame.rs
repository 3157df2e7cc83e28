//! What holds for every request and every answer: an id, a span in the log, limits of the head, security headers, and
//! an answer also when a handler panics.

use std::{any::Any, panic::AssertUnwindSafe, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State as Extracted},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tracing::Instrument;
use turbocat_application::Origin;
use turbocat_trace::Traceparent;

use crate::{Answered, Peer, Problem, ProblemCode, State, metrics::label_of, problem::ProblemDocument};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;
const URI_BYTES_MAX: usize = 8 * 1024;
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// What every answer says to browsers: take nothing from anywhere else, guess nothing, keep nothing, show it nowhere.
const SECURITY: [(&str, &str); 6] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// What answers say besides where clients come by TLS, to this server or to one before it: for a year, by TLS alone.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Frames a request.
pub(crate) async fn frame(Extracted(state): Extracted<State>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers()).unwrap_or_else(|| state.ids.next().simple().to_string());
    let origin = origin(&request, &id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!(
        "http.request",
        request.id = id, http.method = %method, http.path = path,
        ip = origin.ip_address.map(tracing::field::display), user.id = tracing::field::Empty,
        otel.kind = "server", http.response.status_code = tracing::field::Empty,
    );
    let trace = request.headers().get(turbocat_trace::HEADER).and_then(|value| value.to_str().ok());
    let trace = trace.and_then(Traceparent::parse);
    if let Some(parent) = &trace {
        turbocat_trace::adopt(&span, parent);
    }
    let refused = refused_head(&request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(origin);
    let response = async {
        match refused {
            Some(problem) => problem.into_response(),
            None => AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| panicked(&*panic)),
        }
    };
    let mut response = turbocat_trace::told(trace, response).instrument(span.clone()).await;
    add_id(&mut response, &id);
    secure(response.headers_mut(), state.is_over_tls || state.access.is_public_by_tls());
    let _entered = span.enter();
    let (status, duration) = (response.status().as_u16(), began.elapsed());
    span.record("http.response.status_code", status);
    if let Some(meter) = &state.meter {
        let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
        meter.answered(&Answered { method: label_of(&method), route, status, duration });
    }
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.status = status, duration_ms, "answered");
    response
}

fn origin(request: &Request, id: &str) -> Origin {
    let address = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(address))| address.ip());
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let ip_address = address.map(|address| address.to_canonical());
    let origin = Origin { ip_address, request_id: Some(id.to_owned()), ..Origin::default() };
    match agent {
        Some(agent) => origin.with_user_agent(agent),
        None => origin,
    }
}

/// The id that the client gave its request, if it can be one.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_id = (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    is_id.then(|| id.to_owned())
}

fn refused_head(request: &Request) -> Option<Problem> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        return Some(limited(ProblemCode::UriTooLong, uri_bytes, URI_BYTES_MAX));
    }
    let headers = request.headers().iter();
    let header_bytes: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (header_bytes > HEADER_BYTES_MAX).then(|| limited(ProblemCode::HeadersTooLarge, header_bytes, HEADER_BYTES_MAX))
}

fn limited(code: ProblemCode, actual: usize, limit: usize) -> Problem {
    Problem::new(code)
        .with_detail(format!("{actual} bytes, at most {limit} are allowed"))
        .with("limit", json!(limit))
        .with("actual", json!(actual))
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    tracing::error!(message, "a handler panicked");
    Problem::new(ProblemCode::Internal).with_detail("it is in the log under the id of this request").into_response()
}

/// Puts the id of the request into the answer, and into its document if that is a problem.
fn add_id(response: &mut Response, id: &str) {
    if let Some(ProblemDocument(mut document)) = response.extensions_mut().remove() {
        document.insert("request_id".to_owned(), json!(id));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Value::Object(document).to_string().into();
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// Adds the security headers; a page that needs more says so itself. Where users come by TLS, they are to come by no other
/// way; what is said of it over plain HTTP browsers do not heed.
fn secure(headers: &mut HeaderMap, is_by_tls: bool) {
    if is_by_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
