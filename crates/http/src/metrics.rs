//! What requests are to metrics, and the one page on which metrics are shown.
//!
//! What counts and how it is written is not known here: the server brings a [`RequestMeter`] and an [`Exposition`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router, extract,
    http::{Method, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The format of the page: `OpenMetrics`, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The method, `other` for one that no route takes.
    pub method: &'static str,
    /// The path of its route, with parameters in braces; `unmatched` if there is none. It is never the path that was
    /// asked for: there are as many of those as clients like.
    pub route: &'a str,
    /// The status.
    pub status: u16,
    /// How long it took until the answer began.
    pub duration: Duration,
}

/// Counts requests.
pub trait RequestMeter: Send + Sync {
    /// A request was answered.
    fn answered(&self, answered: &Answered<'_>);
}

/// Writes down all metrics.
#[async_trait]
pub trait Exposition: Send + Sync {
    /// The metrics of now, as `OpenMetrics` text. It may be dropped half-way.
    async fn expose(&self) -> String;
}

/// `GET /metrics`, for a listener of its own.
pub fn metrics_router(exposition: Arc<dyn Exposition>) -> Router {
    Router::new().route("/metrics", get(expose)).with_state(exposition)
}

async fn expose(extract::State(exposition): extract::State<Arc<dyn Exposition>>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], exposition.expose().await).into_response()
}

/// The method as a label: a client may make methods up.
pub(crate) fn label_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
