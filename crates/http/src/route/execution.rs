//! `/executions`: starting, listing and looking at them.

use std::time::Duration;

use axum::{
    Json as Answer, extract,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Span;
use turbocat_application::{Actor, Idempotency, Selector, StartExecution, Started, Via};
use turbocat_domain::{
    execution::{Execution, TriggerType},
    id::{ExecutionId, WorkflowId},
    limits,
    permission::Permission,
    port::{ExecutionFilter, LogFilter},
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
    page::{self, PageQuery, PageView, refused},
    view::{ExecutionView, LogView, PartView, StepView},
    words::{ExecutionStatusWord, LogLevelWord, TriggerTypeWord},
};

/// The longest that a start waits for the end, in seconds.
const WAIT_S_MAX: u16 = 60;
/// How often is looked at what is waited for, at first and at last.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// Room for the members around an input.
pub(super) const ENVELOPE_BYTES: usize = 4 * 1024;

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, start) = (Needs::Permission(Permission::ExecutionsRead), Needs::Permission(Permission::ExecutionsStart));
    api.route(read, routes!(list_executions))
        .large_route(start, limits::EXECUTION_INPUT_BYTES_MAX + ENVELOPE_BYTES, routes!(start_execution))
        .route(read, routes!(show_execution))
        .route(read, routes!(list_execution_steps))
        .route(read, routes!(list_execution_parts))
        .route(read, routes!(list_execution_logs))
}

/// An execution that is wanted: of a workflow by its name, or of one version of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    /// The name of the workflow: its active version is run, one's own before a public one.
    #[schema(min_length = 1, max_length = 255)]
    pub(super) workflow: Option<String>,
    /// The version to run, in place of a name.
    pub(super) workflow_id: Option<String>,
    /// The input; an empty object without.
    #[serde(default = "empty")]
    pub(super) input: Value,
}

fn empty() -> Value {
    json!({})
}

/// An execution that was accepted: it is durable, and will reach an end.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedView {
    /// Its id.
    id: String,
    /// The version of the workflow that it runs.
    workflow_id: String,
}

/// How a start answers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StartQuery {
    /// For how many seconds the answer may wait for the end.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u16>,
}

impl StartQuery {
    /// How long the answer may wait.
    pub(super) fn wait(&self) -> Result<Duration, Problem> {
        match self.wait.unwrap_or_default() {
            wait if wait > WAIT_S_MAX => Err(refused("wait", format!("it must be from 0 to {WAIT_S_MAX}"))),
            wait => Ok(Duration::from_secs(wait.into())),
        }
    }
}

/// Starts an execution. It is durable before the answer is sent.
#[utoipa::path(
    post, path = "/api/v1/executions", tag = "executions", operation_id = "start_execution", request_body = StartBody,
    params(
        StartQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 200, description = "Ended within `wait`", body = ExecutionView),
        (status = 202, description = "Accepted", body = StartedView),
    )
)]
async fn start_execution(
    extract::State(state): extract::State<State>,
    (who, key, Params(query)): (Who, IdempotencyKey, Params<StartQuery>),
    body: Json<StartBody>,
) -> Result<Response, Problem> {
    let wait = query.wait()?;
    let once = key.of("executions.start", &body.bytes)?;
    let StartBody { workflow, workflow_id, input } = body.value;
    let request = StartExecution {
        id: ExecutionId::from_uuid(state.ids.next()),
        workflow: selector(workflow, workflow_id)?,
        input,
        trigger_type: TriggerType::Api,
        trigger_data: trigger_data(&who),
    };
    answered(&state, (who, once), (request, wait)).await
}

/// Starts an execution, and answers with it: with its end, if that comes while the answer may wait.
pub(super) async fn answered(
    state: &State,
    (who, once): (Who, Option<Idempotency>),
    (request, wait): (StartExecution, Duration),
) -> Result<Response, Problem> {
    let actor = who.actor();
    let started = {
        let state = state.clone();
        detached(async move {
            let use_cases = state.use_cases.on_behalf_of(&who.origin);
            match once {
                Some(once) => use_cases.start_once((actor, &once), state.acceptor.as_ref(), request).await,
                None => use_cases.start(actor, state.acceptor.as_ref(), request).await,
            }
        })
    };
    let started = started.await?;
    tracing::info!(execution.id = %started.id, "accepted");
    let is_repeated = started.is_repeated;
    let mut response = match ended_within(state, (actor, started.id), wait).await? {
        Some(execution) => Answer(ExecutionView::from(execution)).into_response(),
        None => (StatusCode::ACCEPTED, Answer(StartedView::from(started))).into_response(),
    };
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/executions/{}", started.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(replayed(response, is_repeated))
}

impl From<Started> for StartedView {
    fn from(started: Started) -> Self {
        Self { id: started.id.to_string(), workflow_id: started.workflow_id.to_string() }
    }
}

pub(super) fn trigger_data(who: &Who) -> Value {
    let mut data = match who.caller.via {
        Via::Key(id) => json!({ "source": "http", "api_key_id": id.to_string() }),
        Via::Session(id) => json!({ "source": "http", "session_id": id.to_string() }),
    };
    // The steps go on with the trace of the request, whichever process runs them, and when.
    if let (Some(trace), Some(data)) = (turbocat_trace::outgoing(&Span::current()), data.as_object_mut()) {
        data.insert(turbocat_trace::HEADER.to_owned(), json!(trace.to_string()));
    }
    data
}

pub(super) fn selector(name: Option<String>, id: Option<String>) -> Result<Selector, Problem> {
    match (name, id) {
        (Some(name), None) => Ok(Selector::Name(name)),
        (None, Some(id)) => match id.parse::<WorkflowId>() {
            Ok(id) => Ok(Selector::Id(id)),
            Err(error) => Err(Problem::invalid_field("/workflow_id", error.to_string())),
        },
        _ => Err(Problem::invalid_field("", "it needs `workflow` or `workflow_id`, and not both".to_owned())),
    }
}

/// Waits for the end of an execution, for a while.
async fn ended_within(
    state: &State,
    (actor, id): (Actor, ExecutionId),
    wait: Duration,
) -> Result<Option<Execution>, Problem> {
    if wait.is_zero() || !actor.may(Permission::ExecutionsRead) {
        return Ok(None);
    }
    let ended = async {
        let (mut pause, longest) = LOOK;
        loop {
            let execution = state.use_cases.execution(actor, id).await?;
            if execution.status.is_terminal() {
                return Ok(execution);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(wait, ended) => ended.ok().transpose(),
        () = state.shutdown.cancelled() => Ok(None),
    }
}

/// Which executions are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExecutionQuery {
    /// Only of this version of a workflow.
    workflow_id: Option<String>,
    /// Only in this status.
    #[param(inline)]
    status: Option<ExecutionStatusWord>,
    /// Only the children of this execution.
    parent_id: Option<String>,
    /// Only those that were started by this deployment.
    deployment_id: Option<String>,
    /// Only those that were started so.
    #[param(inline)]
    trigger: Option<TriggerTypeWord>,
    /// Only those that were accepted at this time or later (RFC 3339).
    created_from: Option<DateTime<Utc>>,
    /// Only those that were accepted before this time (RFC 3339).
    created_before: Option<DateTime<Utc>>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// Executions, without their inputs and outputs.
#[utoipa::path(
    get, path = "/api/v1/executions", tag = "executions", operation_id = "list_executions", params(ExecutionQuery),
    responses((status = 200, description = "A page of executions, newest first", body = PageView<ExecutionView>))
)]
async fn list_executions(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<ExecutionQuery>,
) -> Result<Answer<PageView<ExecutionView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = ExecutionFilter {
        workflow: query.workflow_id.map(|text| id("workflow_id", &text)).transpose()?,
        parent: query.parent_id.map(|text| id("parent_id", &text)).transpose()?,
        deployment: query.deployment_id.map(|text| id("deployment_id", &text)).transpose()?,
        status: query.status.map(|word| word.0),
        trigger: query.trigger.map(|word| word.0),
        created_from: query.created_from,
        created_before: query.created_before,
        user: None,
    };
    Ok(Answer(PageView::of(state.use_cases.executions(who.actor(), filter, page).await?)))
}

/// One execution.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}", tag = "executions", operation_id = "show_execution",
    params(("id" = String, Path, description = "The execution")),
    responses((status = 200, description = "The execution", body = ExecutionView))
)]
async fn show_execution(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<ExecutionId>,
) -> Result<Answer<ExecutionView>, Problem> {
    Ok(Answer(state.use_cases.execution(who.actor(), id).await?.into()))
}

/// What the steps of an execution have recorded, in the order in which it happened.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}/steps", tag = "executions", operation_id = "list_execution_steps",
    params(("id" = String, Path, description = "The execution")),
    responses((status = 200, description = "Each attempt of each step", body = Vec<StepView>))
)]
async fn list_execution_steps(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<ExecutionId>,
) -> Result<Answer<Vec<StepView>>, Problem> {
    let records = state.use_cases.step_records(who.actor(), id).await?;
    Ok(Answer(records.into_iter().map(StepView::from).collect()))
}

/// What the steps of an execution did on their way, in the order in which it was recorded: turns of language models,
/// calls of tools, and which tools there were. Who runs a step again goes on behind the last of them.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}/parts", tag = "executions", operation_id = "list_execution_parts",
    params(("id" = String, Path, description = "The execution"), PageQuery),
    responses((status = 200, description = "A page of parts, in their order", body = PageView<PartView>))
)]
async fn list_execution_parts(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<ExecutionId>),
    Params(query): Params<PageQuery>,
) -> Result<Answer<PageView<PartView>>, Problem> {
    Ok(Answer(PageView::of(state.use_cases.execution_parts(who.actor(), id, query.request()?).await?)))
}

/// Which lines are read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Only this level and those above it.
    #[param(inline)]
    level: Option<LogLevelWord>,
    /// Only of the step with this key.
    step_key: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// The log of an execution, oldest first.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}/logs", tag = "executions", operation_id = "list_execution_logs",
    params(("id" = String, Path, description = "The execution"), LogQuery),
    responses((status = 200, description = "A page of lines, oldest first", body = PageView<LogView>))
)]
async fn list_execution_logs(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<ExecutionId>),
    Params(query): Params<LogQuery>,
) -> Result<Answer<PageView<LogView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = LogFilter { min_level: query.level.map(|word| word.0), step_key: query.step_key };
    Ok(Answer(PageView::of(state.use_cases.execution_logs(who.actor(), id, (&filter, page)).await?)))
}
