//! The moment of a resource's last change, as the `ETag` that a client sends back in `If-Match`.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Problem, ProblemCode};

/// What a client sees, with the moment of its last change.
pub(crate) fn tagged(view: impl Serialize, updated_at: DateTime<Utc>) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", updated_at.timestamp_micros()));
    let mut response = Json(view).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The moment of the last change that the client has seen, if it says so.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let micros = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    let read_at = micros.and_then(DateTime::from_timestamp_micros);
    let refused =
        || Problem::new(ProblemCode::InvalidHeader).with_detail("If-Match is no ETag that was handed out here");
    read_at.map(Some).ok_or_else(refused)
}
