//! `/executions/bulk`: many at once.

use axum::{Json as Answer, extract, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use turbocat_application::StartExecution;
use turbocat_domain::{execution::TriggerType, id::ExecutionId, limits, permission::Permission};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::execution::{ENVELOPE_BYTES, StartBody, StartedView, selector, trigger_data};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{IdempotencyKey, Json, replayed},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let start = Needs::Permission(Permission::ExecutionsStart);
    api.large_route(start, limits::EXECUTION_INPUT_BYTES_MAX + ENVELOPE_BYTES, routes!(start_executions))
}

/// Executions that are wanted, all of them or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkBody {
    /// The executions; all inputs together may be as large as one.
    #[schema(min_items = 1, max_items = 1_000)]
    items: Vec<StartBody>,
}

/// Executions that were accepted: they are durable, and will reach an end.
#[derive(Serialize, ToSchema)]
struct BulkView {
    /// One for each that was asked for, in the same order.
    items: Vec<StartedView>,
}

/// Starts up to 1,000 executions, all of them or none. They are durable before the answer is sent.
#[utoipa::path(
    post, path = "/api/v1/executions/bulk", tag = "executions", operation_id = "start_executions",
    request_body = BulkBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses((status = 202, description = "All are accepted", body = BulkView))
)]
async fn start_executions(
    extract::State(state): extract::State<State>,
    (who, key): (Who, IdempotencyKey),
    body: Json<BulkBody>,
) -> Result<Response, Problem> {
    let once = key.of("executions.start_many", &body.bytes)?;
    let trigger_data = trigger_data(&who);
    let requests = body.value.items.into_iter().map(|StartBody { workflow, workflow_id, input }| {
        Ok(StartExecution {
            id: ExecutionId::from_uuid(state.ids.next()),
            workflow: selector(workflow, workflow_id)?,
            input,
            trigger_type: TriggerType::Api,
            trigger_data: trigger_data.clone(),
        })
    });
    let requests = requests.collect::<Result<Vec<_>, Problem>>()?;
    let started = detached(async move {
        let use_cases = state.use_cases.on_behalf_of(&who.origin);
        use_cases.start_many((who.actor(), once.as_ref()), state.acceptor.as_ref(), requests).await
    });
    let started = started.await?;
    tracing::info!(executions = started.len(), "accepted");
    let is_repeated = started.iter().any(|started| started.is_repeated);
    let items = started.into_iter().map(StartedView::from).collect();
    let answer = (StatusCode::ACCEPTED, Answer(BulkView { items }));
    Ok(replayed(answer, is_repeated))
}
