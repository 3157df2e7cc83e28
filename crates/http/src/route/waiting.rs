//! `/events`, `/approvals` and `/schedules`: what executions wait for, and what starts them by itself.

use axum::{Json as Answer, extract, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Span;
use turbocat_application::{RefusedStart, SendEvent, SentEvent};
use turbocat_domain::{
    approval::Decision,
    id::{ExecutionId, WorkflowId},
    limits,
    permission::Permission,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::query::id;
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, IdempotencyKey, Json, Params, replayed},
    page::{self, PageQuery, PageView},
    view::{ApprovalView, ScheduleView, TickView},
};

/// Room for the members around a payload.
const ENVELOPE_BYTES: usize = 4 * 1024;

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (send, decide) = (Needs::Permission(Permission::EventsSend), Needs::Permission(Permission::ApprovalsDecide));
    let read = Needs::Permission(Permission::SchedulesRead);
    api.large_route(send, limits::EXECUTION_INPUT_BYTES_MAX + ENVELOPE_BYTES, routes!(send_event))
        .route(decide, routes!(list_approvals))
        .route(decide, routes!(decide_approval))
        .route(read, routes!(list_schedules))
        .route(read, routes!(list_schedule_ticks))
}

/// An event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventBody {
    /// Its name, as the steps that wait for it have it; not `approval`.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What is known about it; an empty object without.
    #[serde(default = "empty")]
    payload: Value,
    /// The only execution that it is meant for; goes with `path`.
    execution_id: Option<String>,
    /// The path of the only step that it is meant for; goes with `execution_id`.
    path: Option<String>,
}

fn empty() -> Value {
    json!({})
}

/// An event that was taken in: it is durable.
#[derive(Serialize, ToSchema)]
struct SentEventView {
    /// Its id.
    id: String,
    /// How many executions it woke. One that works on other things as well sees it too, and is not counted.
    woken: u64,
    /// The executions that it started, of workflows with a trigger for its name.
    started: Vec<String>,
    /// The workflows that it should have started, and why it did not.
    refused: Vec<RefusedStartView>,
}

/// A workflow that an event should have started.
#[derive(Serialize, ToSchema)]
struct RefusedStartView {
    /// Its name.
    workflow: String,
    /// Why it was not started.
    reason: String,
}

impl From<SentEvent> for SentEventView {
    fn from(sent: SentEvent) -> Self {
        let refused = |RefusedStart { workflow, reason }| RefusedStartView { workflow, reason };
        Self {
            id: sent.id.to_string(),
            woken: sent.woken,
            started: sent.started.iter().map(ToString::to_string).collect(),
            refused: sent.refused.into_iter().map(refused).collect(),
        }
    }
}

/// Sends an event to one's own executions that wait for its name, and starts one's own workflows with a trigger for it.
/// All of that is durable before the answer is sent.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", operation_id = "send_event", request_body = EventBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses((status = 202, description = "Taken in", body = SentEventView))
)]
async fn send_event(
    extract::State(state): extract::State<State>,
    (who, key): (Who, IdempotencyKey),
    body: Json<EventBody>,
) -> Result<Response, Problem> {
    let once = key.of("events.send", &body.bytes)?;
    let EventBody { name, payload, execution_id, path } = body.value;
    let traceparent = turbocat_trace::outgoing(&Span::current()).map(|trace| trace.to_string());
    let event = SendEvent { name, payload, target: target(execution_id.as_deref(), path)?, traceparent };
    let sent = detached(async move {
        state.use_cases.on_behalf_of(&who.origin).send_event((who.actor(), once.as_ref()), event).await
    });
    let (sent, is_repeated) = sent.await?;
    let answer = (StatusCode::ACCEPTED, Answer(SentEventView::from(sent)));
    Ok(replayed(answer, is_repeated))
}

fn target(id: Option<&str>, path: Option<String>) -> Result<Option<(ExecutionId, String)>, Problem> {
    match (id, path) {
        (None, None) => Ok(None),
        (Some(id), Some(path)) => match id.parse() {
            Ok(id) => Ok(Some((id, path))),
            Err(error) => {
                Err(Problem::invalid_field("/execution_id", turbocat_domain::id::ParseIdError::to_string(&error)))
            }
        },
        _ => Err(Problem::invalid_field("", "`execution_id` and `path` go together".to_owned())),
    }
}

/// Which decisions are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalQuery {
    /// Only of this execution.
    execution_id: Option<String>,
    /// The most executions whose decisions are listed, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// The decisions that executions wait for: of one's own, and those that one is asked for. An execution is listed as soon
/// as it has nothing else to do.
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals", operation_id = "list_approvals", params(ApprovalQuery),
    responses((status = 200, description = "A page, the newest executions first", body = PageView<ApprovalView>))
)]
async fn list_approvals(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<ApprovalQuery>,
) -> Result<Answer<PageView<ApprovalView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let execution = query.execution_id.map(|text| id("execution_id", &text)).transpose()?;
    Ok(Answer(PageView::of(state.use_cases.approvals(who.actor(), execution, page).await?)))
}

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    /// The path of the step that waits.
    path: String,
    /// Whether it may go on.
    approved: bool,
    /// Why.
    #[schema(max_length = 4_000)]
    comment: Option<String>,
    /// Which of the buttons was pressed.
    button: Option<String>,
    /// What was filled into the form.
    data: Option<Value>,
}

/// A decision that was taken in.
#[derive(Serialize, ToSchema)]
struct DecisionView {
    /// Its id.
    id: String,
}

/// Decides what an execution waits for, once. It goes on when there are enough decisions, or with the first refusal.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/decide", tag = "approvals", operation_id = "decide_approval",
    params(("id" = String, Path, description = "The execution")), request_body = DecisionBody,
    responses((status = 202, description = "Taken in", body = DecisionView))
)]
async fn decide_approval(
    extract::State(state): extract::State<State>,
    (who, Id(execution)): (Who, Id<ExecutionId>),
    body: Json<DecisionBody>,
) -> Result<(StatusCode, Answer<DecisionView>), Problem> {
    let DecisionBody { path, approved, comment, button, data } = body.value;
    let decision = Decision { approved, comment, button, data };
    let decided = detached(async move {
        let use_cases = state.use_cases.on_behalf_of(&who.origin);
        use_cases.decide_approval(who.actor(), (execution, path), decision).await
    });
    Ok((StatusCode::ACCEPTED, Answer(DecisionView { id: decided.await?.to_string() })))
}

/// The schedules of active workflows: of all for administrators, one's own for the others.
#[utoipa::path(
    get, path = "/api/v1/schedules", tag = "schedules", operation_id = "list_schedules", params(PageQuery),
    responses((status = 200, description = "A page, the newest versions first", body = PageView<ScheduleView>))
)]
async fn list_schedules(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(page): Params<PageQuery>,
) -> Result<Answer<PageView<ScheduleView>>, Problem> {
    Ok(Answer(PageView::of(state.use_cases.schedules(who.actor(), page.request()?).await?)))
}

/// How many ticks are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TickQuery {
    /// The most, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// What became of the last times of a schedule, the newest first. They are kept for seven days.
#[utoipa::path(
    get, path = "/api/v1/schedules/{id}/ticks", tag = "schedules", operation_id = "list_schedule_ticks",
    params(("id" = String, Path, description = "The version of the workflow"), TickQuery),
    responses((status = 200, description = "Each time, and what became of it", body = Vec<TickView>))
)]
async fn list_schedule_ticks(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<WorkflowId>),
    Params(query): Params<TickQuery>,
) -> Result<Answer<Vec<TickView>>, Problem> {
    let limit = page::request(query.limit, None)?.limit;
    let ticks = state.use_cases.schedule_ticks(who.actor(), id, limit).await?;
    Ok(Answer(ticks.into_iter().map(TickView::from).collect()))
}
