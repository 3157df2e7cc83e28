//! `/deployments/{id}/…`: letting them answer, going back, looking at their health, and asking them for something.

use std::time::Duration;

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use turbocat_application::{Selector, Standing, StartExecution};
use turbocat_domain::{
    execution::TriggerType,
    id::{DeploymentId, ExecutionId},
    limits,
    permission::Permission,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    deployment::shown,
    execution::{ENVELOPE_BYTES, StartQuery, StartedView, answered, trigger_data},
};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    etag::if_match,
    extract::{Id, IdempotencyKey, Json, Params},
    page::{PageQuery, PageView},
    view::{DeploymentHealthView, DeploymentRevisionView, DeploymentView, ExecutionView},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let read = Needs::Permission(Permission::DeploymentsRead);
    let write = Needs::Permission(Permission::DeploymentsWrite);
    let start = Needs::Permission(Permission::ExecutionsStart);
    api.route(write, routes!(activate_deployment))
        .route(write, routes!(stop_deployment))
        .route(write, routes!(maintain_deployment))
        .route(write, routes!(roll_deployment_back))
        .route(write, routes!(issue_deployment_key))
        .route(write, routes!(revoke_deployment_key))
        .route(read, routes!(list_deployment_revisions))
        .route(read, routes!(show_deployment_health))
        .large_route(start, limits::EXECUTION_INPUT_BYTES_MAX + ENVELOPE_BYTES, routes!(start_by_deployment))
}

/// Lets a deployment answer. If what it runs cannot be run it is `failed` afterwards, and its health says why.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/activate", tag = "deployments", operation_id = "activate_deployment",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As it stands now: `running` or `failed`", body = DeploymentView))
)]
async fn activate_deployment(
    state: extract::State<State>,
    who: Who,
    id: Id<DeploymentId>,
) -> Result<Response, Problem> {
    stand(state, (who, id), Standing::Running).await
}

/// Keeps a deployment from answering. While its executions run it is `stopping`, and `stopped` when the last has ended.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/stop", tag = "deployments", operation_id = "stop_deployment",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As it stands now: `stopping` or `stopped`", body = DeploymentView))
)]
async fn stop_deployment(state: extract::State<State>, who: Who, id: Id<DeploymentId>) -> Result<Response, Problem> {
    stand(state, (who, id), Standing::Stopped).await
}

/// Keeps a running deployment from answering for a while.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/maintain", tag = "deployments", operation_id = "maintain_deployment",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As it stands now: `maintenance`", body = DeploymentView))
)]
async fn maintain_deployment(
    state: extract::State<State>,
    who: Who,
    id: Id<DeploymentId>,
) -> Result<Response, Problem> {
    stand(state, (who, id), Standing::Maintenance).await
}

async fn stand(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<DeploymentId>),
    standing: Standing,
) -> Result<Response, Problem> {
    let stands =
        detached(
            async move { state.use_cases.on_behalf_of(&who.origin).set_deployment(who.actor(), id, standing).await },
        );
    Ok(shown(stands.await?))
}

/// The new key of a deployment.
#[derive(Serialize, ToSchema)]
struct DeploymentKeyView {
    /// The key itself. It is shown this once, and is not kept.
    key: String,
    /// Where who has it asks.
    endpoint_url: Option<String>,
}

/// Gives a deployment a new key, in place of the one that it had: what somebody without an account asks it with, at its
/// `endpoint_url`, and nothing else.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/key", tag = "deployments", operation_id = "issue_deployment_key",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 201, description = "Made; it is shown this once", body = DeploymentKeyView))
)]
async fn issue_deployment_key(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<DeploymentId>,
) -> Result<(StatusCode, Answer<DeploymentKeyView>), Problem> {
    let issued = detached(async move { state.access.issue_deployment_key(who.actor(), id, &who.origin).await });
    let (deployment, token) = issued.await?;
    let view = DeploymentKeyView { key: token.expose().to_owned(), endpoint_url: deployment.endpoint_url };
    Ok((StatusCode::CREATED, Answer(view)))
}

/// Takes the key of a deployment away.
#[utoipa::path(
    delete, path = "/api/v1/deployments/{id}/key", tag = "deployments", operation_id = "revoke_deployment_key",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 204, description = "It has none any more"))
)]
async fn revoke_deployment_key(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<DeploymentId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.access.revoke_deployment_key(who.actor(), id, &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is to be gone back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    /// The number of the revision; the one before the latest without.
    #[schema(minimum = 1)]
    revision: Option<u32>,
}

/// Goes back to what a deployment ran before. That is a new revision, after all others; it holds for what is started
/// from now on. With `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/rollback", tag = "deployments", operation_id = "roll_deployment_back",
    request_body = RollbackBody,
    params(
        ("id" = String, Path, description = "The deployment"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 200, description = "As it runs now", body = DeploymentView))
)]
async fn roll_deployment_back(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<DeploymentId>, HeaderMap),
    body: Json<RollbackBody>,
) -> Result<Response, Problem> {
    let (wanted, read_at) = ((id, body.value.revision), if_match(&headers)?);
    let rolled = detached(async move {
        state.use_cases.on_behalf_of(&who.origin).roll_deployment_back(who.actor(), wanted, read_at).await
    });
    Ok(shown(rolled.await?))
}

/// What a deployment ran, and how.
#[utoipa::path(
    get, path = "/api/v1/deployments/{id}/revisions", tag = "deployments", operation_id = "list_deployment_revisions",
    params(("id" = String, Path, description = "The deployment"), PageQuery),
    responses((status = 200, description = "A page of revisions, newest first", body = PageView<DeploymentRevisionView>))
)]
async fn list_deployment_revisions(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<DeploymentId>),
    Params(query): Params<PageQuery>,
) -> Result<Answer<PageView<DeploymentRevisionView>>, Problem> {
    let revisions = state.use_cases.deployment_revisions(who.actor(), id, query.request()?).await?;
    Ok(Answer(PageView::of(revisions)))
}

/// Looks whether a deployment works: whether what it runs can be run, whether its secrets are there, how its last
/// executions ended. What is found is noted with it.
#[utoipa::path(
    get, path = "/api/v1/deployments/{id}/health", tag = "deployments", operation_id = "show_deployment_health",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "What was found", body = DeploymentHealthView))
)]
async fn show_deployment_health(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<DeploymentId>,
) -> Result<Answer<DeploymentHealthView>, Problem> {
    let found = detached(async move { state.use_cases.deployment_health(who.actor(), id).await });
    Ok(Answer(found.await?.into()))
}

/// What a deployment is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentRequestBody {
    /// The input; what it does not say is taken from the deployment's `config.input`.
    #[serde(default = "empty")]
    pub(super) input: Value,
}

fn empty() -> Value {
    json!({})
}

/// Starts an execution of what a deployment runs, with its variables. It is durable before the answer is sent.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/executions", tag = "deployments", operation_id = "start_by_deployment",
    request_body = DeploymentRequestBody,
    params(
        ("id" = String, Path, description = "The deployment"), StartQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 200, description = "Ended within `wait`", body = ExecutionView),
        (status = 202, description = "Accepted", body = StartedView),
    )
)]
async fn start_by_deployment(
    extract::State(state): extract::State<State>,
    (who, key, Id(id), Params(query)): (Who, IdempotencyKey, Id<DeploymentId>, Params<StartQuery>),
    body: Json<DeploymentRequestBody>,
) -> Result<Response, Problem> {
    let wait: Duration = query.wait()?;
    let once = key.of(&format!("deployments.start {id}"), &body.bytes)?;
    let request = StartExecution {
        id: ExecutionId::from_uuid(state.ids.next()),
        workflow: Selector::Deployment(id),
        input: body.value.input,
        trigger_type: TriggerType::Api,
        trigger_data: trigger_data(&who),
    };
    answered(&state, (who, once), (request, wait)).await
}
