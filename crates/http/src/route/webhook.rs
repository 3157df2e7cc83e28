//! `/hooks`: where other systems send what starts a workflow.

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tracing::Span;
use turbocat_application::WebhookCall;
use turbocat_domain::{
    id::{ExecutionId, WorkflowId},
    limits,
};
use utoipa_axum::routes;

use super::execution::StartedView;
use crate::{
    Needs, Problem, State,
    api::Api,
    detached::detached,
    extract::{Id, Raw, replayed},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    // Its signature says who asks.
    api.large_route(Needs::Nothing, limits::EXECUTION_INPUT_BYTES_MAX, routes!(receive_webhook))
}

/// Starts a workflow with a webhook trigger, with the body as its input. The message is signed as Standard Webhooks
/// (standardwebhooks.com) have it, with a key that is in the secret which the trigger names. It is durable before the
/// answer is sent; sent again with the same `webhook-id` within a day, it gets the same answer.
#[utoipa::path(
    post, path = "/api/v1/hooks/{id}", tag = "events", operation_id = "receive_webhook",
    request_body(content = serde_json::Value, description = "The input, as JSON; an empty body is `{}`"),
    params(
        ("id" = String, Path, description = "A version of the workflow: the active one of its name is started"),
        ("webhook-id" = String, Header, description = "The same for all deliveries of a message"),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970, at most five minutes from now"),
        ("webhook-signature" = String, Header, description = "`v1,` and the base64 of HMAC-SHA256 of `ID.TIMESTAMP.BODY`"),
    ),
    responses((status = 202, description = "Accepted", body = StartedView))
)]
async fn receive_webhook(
    extract::State(state): extract::State<State>,
    id: Id<WorkflowId>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let call = WebhookCall {
        workflow: id.0,
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signatures: text("webhook-signature"),
        body: body.bytes.to_vec(),
        traceparent: turbocat_trace::outgoing(&Span::current()).map(|trace| trace.to_string()),
    };
    let execution = ExecutionId::from_uuid(state.ids.next());
    let started = detached(async move { state.access.receive_webhook(call, state.acceptor.as_ref(), execution).await });
    let started = started.await?;
    tracing::info!(execution.id = %started.id, "accepted by a webhook");
    let is_repeated = started.is_repeated;
    Ok(replayed((StatusCode::ACCEPTED, Answer(StartedView::from(started))), is_repeated))
}
