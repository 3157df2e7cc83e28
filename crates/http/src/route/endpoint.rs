//! `/endpoints`: where somebody without an account asks a deployment for something, with its key.

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use turbocat_application::EndpointCall;
use turbocat_domain::{
    id::{DeploymentId, ExecutionId},
    limits,
};
use utoipa_axum::routes;

use super::{
    deployment_life::DeploymentRequestBody,
    execution::{ENVELOPE_BYTES, StartedView},
};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::bearer,
    detached::detached,
    extract::{Id, IdempotencyKey, Json, replayed},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    // Its key says who asks.
    api.large_route(Needs::Nothing, limits::EXECUTION_INPUT_BYTES_MAX + ENVELOPE_BYTES, routes!(call_endpoint))
}

/// Asks a deployment for something, with its key alone. It is durable before the answer is sent.
#[utoipa::path(
    post, path = "/api/v1/endpoints/{id}", tag = "deployments", operation_id = "call_endpoint",
    request_body = DeploymentRequestBody,
    params(
        ("id" = String, Path, description = "The deployment"),
        ("Authorization" = String, Header, description = "`Bearer tc_deploy_…`: the key of the deployment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses((status = 202, description = "Accepted", body = StartedView))
)]
async fn call_endpoint(
    extract::State(state): extract::State<State>,
    (Id(deployment), key, headers): (Id<DeploymentId>, IdempotencyKey, HeaderMap),
    body: Json<DeploymentRequestBody>,
) -> Result<Response, Problem> {
    let once = key.of(&format!("endpoints.call {deployment}"), &body.bytes)?;
    let key = bearer(&headers).unwrap_or_default().to_owned();
    let call = EndpointCall { deployment, key, input: body.value.input, once };
    let execution = ExecutionId::from_uuid(state.ids.next());
    let started = detached(async move { state.access.call_endpoint(call, state.acceptor.as_ref(), execution).await });
    let started = started.await?;
    tracing::info!(execution.id = %started.id, "accepted by an endpoint");
    let is_repeated = started.is_repeated;
    Ok(replayed((StatusCode::ACCEPTED, Answer(StartedView::from(started))), is_repeated))
}
