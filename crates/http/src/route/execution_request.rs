//! `/executions/{id}/cancel`, `/pause` and `/resume`: what is asked of executions that go on.

use axum::{Json as Answer, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use turbocat_domain::{id::ExecutionId, permission::Permission, port::RequestOutcome};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    Needs, Problem, ProblemCode, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, Json},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let pause = Needs::Permission(Permission::ExecutionsPause);
    api.route(Needs::Permission(Permission::ExecutionsCancel), routes!(cancel_execution))
        .route(pause, routes!(pause_execution))
        .route(pause, routes!(resume_execution))
}

/// What became of a request.
#[derive(Serialize, ToSchema)]
struct RequestView {
    /// The execution.
    id: String,
    /// `requested`: it will be done soon; `ended`: the execution had ended before.
    outcome: &'static str,
}

type Asked = Result<(StatusCode, Answer<RequestView>), Problem>;

fn answered(id: ExecutionId, outcome: RequestOutcome) -> Asked {
    match outcome {
        RequestOutcome::Unknown => Err(Problem::new(ProblemCode::NotFound)),
        outcome => Ok((StatusCode::ACCEPTED, Answer(RequestView { id: id.to_string(), outcome: outcome.as_str() }))),
    }
}

/// Asks for an execution to be cancelled.
#[utoipa::path(
    post, path = "/api/v1/executions/{id}/cancel", tag = "executions", operation_id = "cancel_execution",
    params(("id" = String, Path, description = "The execution")),
    responses((status = 202, description = "Asked for; it may be asked for any number of times", body = RequestView))
)]
async fn cancel_execution(extract::State(state): extract::State<State>, who: Who, Id(id): Id<ExecutionId>) -> Asked {
    let outcome =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).cancel_execution(who.actor(), id).await });
    answered(id, outcome.await?)
}

/// Why an execution is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    /// For those who find it paused.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Asks for an execution to be paused: attempts that run go on to their end, and nothing else of it begins until it is
/// resumed. Its time goes on, and so do executions that it has started. One that is paused already stays so, since when
/// and why it was.
#[utoipa::path(
    post, path = "/api/v1/executions/{id}/pause", tag = "executions", operation_id = "pause_execution",
    request_body = Option<PauseBody>, params(("id" = String, Path, description = "The execution")),
    responses((status = 202, description = "Asked for; it may be asked for any number of times", body = RequestView))
)]
async fn pause_execution(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<ExecutionId>),
    body: Option<Json<Option<PauseBody>>>,
) -> Asked {
    let PauseBody { reason } = body.and_then(|body| body.value).unwrap_or_default();
    let outcome =
        detached(
            async move { state.use_cases.on_behalf_of(&who.origin).pause_execution(who.actor(), id, reason).await },
        );
    answered(id, outcome.await?)
}

/// Asks for a paused execution to go on where it is. One that is not paused stays as it is.
#[utoipa::path(
    post, path = "/api/v1/executions/{id}/resume", tag = "executions", operation_id = "resume_execution",
    params(("id" = String, Path, description = "The execution")),
    responses((status = 202, description = "Asked for; it may be asked for any number of times", body = RequestView))
)]
async fn resume_execution(extract::State(state): extract::State<State>, who: Who, Id(id): Id<ExecutionId>) -> Asked {
    let outcome =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).resume_execution(who.actor(), id).await });
    answered(id, outcome.await?)
}
