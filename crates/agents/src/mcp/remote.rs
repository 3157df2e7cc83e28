//! The way to servers that speak streamable HTTP: the client of the egress, with all its rules.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::{
    Client, Url,
    header::{HeaderName, HeaderValue},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, RequestParamsMeta},
    transport::{
        common::client_side_sse::BoxedSseResponse,
        streamable_http_client::{
            StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
        },
    },
};
use turbocat_domain::step_run::StepError;

use crate::egress::explain;

type HttpError = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

/// A client that remembers why its last request failed: the protocol's own errors do not say it.
#[derive(Debug, Clone)]
pub(super) struct PolicedClient {
    client: Client,
    url: Url,
    failed: Arc<Mutex<Option<StepError>>>,
}

impl PolicedClient {
    /// A client for one server; `client` is one whose connections are judged.
    pub(super) fn new(client: Client, url: Url) -> Self {
        Self { client, url, failed: Arc::default() }
    }

    /// Why the last request failed, once.
    pub(super) fn take_failure(&self) -> Option<StepError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note<T>(&self, outcome: Result<T, HttpError>) -> Result<T, HttpError> {
        if let Err(error) = &outcome
            && let Some(failure) = classify(&self.url, error)
        {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
        outcome
    }
}

impl StreamableHttpClient for PolicedClient {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let headers = traced(custom_headers, &message);
        self.note(self.client.post_message(uri, message, session_id, auth_header, headers).await)
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let (client, headers) = (&self.client, traced(custom_headers, &message));
        self.note(
            client.post_message_with_response_limits(uri, message, session_id, auth_header, headers, limits).await,
        )
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), HttpError> {
        self.client.delete_session(uri, session_id, auth_header, custom_headers).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<BoxedSseResponse, HttpError> {
        // What a server says outside of answers is not waited for, so its failure is none.
        self.client.get_stream(uri, session_id, last_event_id, auth_header, custom_headers).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        most: usize,
    ) -> Result<BoxedSseResponse, HttpError> {
        let client = &self.client;
        client
            .get_stream_with_max_sse_event_size(uri, session_id, last_event_id, auth_header, custom_headers, most)
            .await
    }
}

/// The headers with the trace that a request says it belongs to, unless the author of the headers says another.
fn traced(mut headers: Headers, message: &ClientJsonRpcMessage) -> Headers {
    let ClientJsonRpcMessage::Request(message) = message else { return headers };
    let trace = match &message.request {
        ClientRequest::CallToolRequest(call) => call.params.traceparent(),
        ClientRequest::ListToolsRequest(list) => list.params.as_ref().and_then(RequestParamsMeta::traceparent),
        _ => None,
    };
    if let Some(trace) = trace.and_then(|trace| HeaderValue::from_str(trace).ok()) {
        headers.entry(HeaderName::from_static(turbocat_trace::HEADER)).or_insert(trace);
    }
    headers
}

/// What a failed exchange means for the step; `None` for what the protocol's own error says better.
fn classify(url: &Url, error: &HttpError) -> Option<StepError> {
    let place = url.origin().ascii_serialization();
    let refused = |message: String| StepError::permanent("mcp_refused", message);
    match error {
        StreamableHttpError::Client(error) => Some(match error.status() {
            Some(status) => refused(format!("{place} answered {status}")),
            None => explain(url, error),
        }),
        StreamableHttpError::HttpStatus(failure) => {
            let pause = failure.retry_after.as_deref().and_then(|seconds| seconds.trim().parse::<u64>().ok());
            let message = format!("{place} answered {}", failure.status);
            Some(StepError {
                retry_after_ms: pause.map(|seconds| seconds.saturating_mul(1_000)),
                ..StepError::transient("mcp_unavailable", message)
            })
        }
        StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) => {
            let message = format!("{place} wants a credential, or another one");
            Some(StepError::permanent("mcp_unauthorized", message))
        }
        StreamableHttpError::ResponseBodyTooLarge { max_size } => {
            let message = format!("{place} answered with more than {max_size} bytes; ask it for less");
            Some(StepError::permanent("output_too_large", message))
        }
        StreamableHttpError::UnexpectedContentType(_) | StreamableHttpError::UnexpectedServerResponse(_) => {
            Some(refused(format!("{place} does not speak the protocol: {error}")))
        }
        _ => None,
    }
}
