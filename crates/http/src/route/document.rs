//! `/api/v1/openapi.json` and `/api/v1/docs`: what the API is, for programs and for people. Both work offline.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use utoipa::openapi::OpenApi;

use crate::{State, manual};

/// The page brings its style with it, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The routes of this file, which need nothing.
pub(crate) fn routes(document: &OpenApi) -> Router<State> {
    let json: Arc<str> = document.to_json().unwrap_or_default().into();
    let page: Arc<str> = manual::page(document).into();
    let json_answer = move || {
        let json = Arc::clone(&json);
        async move { ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response() }
    };
    let page_answer = move || {
        let page = Arc::clone(&page);
        async move { with_policy(Html(page.to_string()).into_response()) }
    };
    Router::new().route("/api/v1/openapi.json", get(json_answer)).route("/api/v1/docs", get(page_answer))
}

fn with_policy(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
