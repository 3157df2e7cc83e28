//! `/deployments`: versions of workflows and agents, under names in environments.

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use turbocat_application::{DeploymentChange, DeploymentContent, DeploymentSettings, DeploymentSource, Selector};
use turbocat_domain::{
    deployment::Deployment,
    id::{AgentId, DeploymentId, WorkflowId},
    permission::Permission,
    port::DeploymentFilter,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::query::{id, search, sort};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    etag::{if_match, tagged},
    extract::{Id, IdempotencyKey, Json, Params, replayed},
    page::{self, PageView},
    view::DeploymentView,
    words::{DeploymentStatusWord, EnvironmentWord, HealthStatusWord},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let read = Needs::Permission(Permission::DeploymentsRead);
    let write = Needs::Permission(Permission::DeploymentsWrite);
    api.route(read, routes!(list_deployments))
        .route(write, routes!(create_deployment))
        .route(read, routes!(show_deployment))
        .route(write, routes!(change_deployment))
        .route(write, routes!(delete_deployment))
        .route(write, routes!(restore_deployment))
}

/// Which deployments are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeploymentQuery {
    /// Only this name.
    name: Option<String>,
    /// Only in this environment.
    #[param(inline)]
    environment: Option<EnvironmentWord>,
    /// Only in this status.
    #[param(inline)]
    status: Option<DeploymentStatusWord>,
    /// Only those of which the last check found this.
    #[param(inline)]
    health: Option<HealthStatusWord>,
    /// Only of this version of a workflow.
    workflow_id: Option<String>,
    /// Only of this version of an agent.
    agent_id: Option<String>,
    /// Only those in whose name or description all these words are found, whatever their case.
    #[param(min_length = 1, max_length = 200)]
    search: Option<String>,
    /// With what is deleted.
    #[serde(default)]
    deleted: bool,
    /// In which order: `created_at`, `updated_at` or `name`, with a `-` before it the largest first; `-created_at`
    /// without.
    sort: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// A deployment that is wanted. It runs one of `workflow`, `workflow_id`, `agent` and `agent_id`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDeploymentBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Where it runs; `production` without.
    environment: Option<EnvironmentWord>,
    /// The name of a workflow: the version that is active now is deployed.
    workflow: Option<String>,
    /// A version of a workflow.
    workflow_id: Option<String>,
    /// The name of an agent: the version that is active now is deployed.
    agent: Option<String>,
    /// A version of an agent.
    agent_id: Option<String>,
    /// `input`: what lies under the input of each request; `timeout_ms`: how long an execution may take.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// What expressions see as `env`: variables by name. A secret is `{"$secret": "NAME"}`.
    #[schema(value_type = Option<Object>)]
    environment_vars: Option<Value>,
    /// The most memory that a program of an agent may have, in MiB.
    #[schema(minimum = 16, maximum = 1_048_576)]
    allocated_memory_mb: Option<u32>,
    /// Its share of the processor, against that of others; 1024 is an ordinary one.
    #[schema(minimum = 2, maximum = 262_144)]
    allocated_cpu_shares: Option<u32>,
}

/// What is to be changed of a deployment; what is not there stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeploymentChangeBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// What it is for; an empty text takes it away.
    description: Option<String>,
    /// The name of a workflow: the version that is active now is deployed.
    workflow: Option<String>,
    /// A version of a workflow.
    workflow_id: Option<String>,
    /// The name of an agent: the version that is active now is deployed.
    agent: Option<String>,
    /// A version of an agent.
    agent_id: Option<String>,
    /// How it runs, as a whole.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// What expressions see as `env`, as a whole.
    #[schema(value_type = Option<Object>)]
    environment_vars: Option<Value>,
    /// The most memory that a program of an agent may have, in MiB.
    #[schema(minimum = 16, maximum = 1_048_576)]
    allocated_memory_mb: Option<u32>,
    /// Its share of the processor, against that of others.
    #[schema(minimum = 2, maximum = 262_144)]
    allocated_cpu_shares: Option<u32>,
}

/// Deployments: one's own, for an administrator all, without their variables.
#[utoipa::path(
    get, path = "/api/v1/deployments", tag = "deployments", operation_id = "list_deployments", params(DeploymentQuery),
    responses((status = 200, description = "A page of deployments, newest first", body = PageView<DeploymentView>))
)]
async fn list_deployments(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<DeploymentQuery>,
) -> Result<Answer<PageView<DeploymentView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = DeploymentFilter {
        user: None,
        environment: query.environment.map(|word| word.0),
        status: query.status.map(|word| word.0),
        health: query.health.map(|word| word.0),
        name: query.name,
        workflow: query.workflow_id.map(|text| id("workflow_id", &text)).transpose()?,
        agent: query.agent_id.map(|text| id("agent_id", &text)).transpose()?,
        search: query.search.as_deref().map(search).transpose()?,
        with_deleted: query.deleted,
        sort: sort(query.sort.as_deref())?,
    };
    let deployments = state.use_cases.deployments(who.actor(), filter, page).await?;
    Ok(Answer(PageView::of(deployments).map(DeploymentView::in_list)))
}

/// Makes a deployment. It is stopped, and has its first revision.
#[utoipa::path(
    post, path = "/api/v1/deployments", tag = "deployments", operation_id = "create_deployment",
    request_body = NewDeploymentBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses((status = 201, description = "Made; its `ETag` is for `If-Match`", body = DeploymentView))
)]
async fn create_deployment(
    extract::State(state): extract::State<State>,
    (who, key): (Who, IdempotencyKey),
    body: Json<NewDeploymentBody>,
) -> Result<Response, Problem> {
    let once = key.of("deployments.create", &body.bytes)?;
    let body = body.value;
    let named =
        Named { workflow: body.workflow, workflow_id: body.workflow_id, agent: body.agent, agent_id: body.agent_id };
    let content = DeploymentContent {
        name: body.name,
        description: body.description,
        environment: body.environment.map(|word| word.0).unwrap_or_default(),
        source: named.source()?.ok_or_else(one_of_them)?,
        settings: DeploymentSettings {
            config: body.config,
            environment_vars: body.environment_vars,
            allocated_memory_mb: body.allocated_memory_mb,
            allocated_cpu_shares: body.allocated_cpu_shares,
        },
    };
    let made = detached(async move {
        state.use_cases.on_behalf_of(&who.origin).create_deployment((who.actor(), once.as_ref()), content).await
    });
    let (deployment, is_repeated) = made.await?;
    let place = format!("/api/v1/deployments/{}", deployment.id);
    let mut response = (StatusCode::CREATED, shown(deployment)).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(replayed(response, is_repeated))
}

/// One deployment.
#[utoipa::path(
    get, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "show_deployment",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "The deployment; its `ETag` is for `If-Match`", body = DeploymentView))
)]
async fn show_deployment(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Problem> {
    Ok(shown(state.use_cases.deployment(who.actor(), id).await?))
}

/// Changes a deployment. What it runs, and how, is a new revision, which holds for what is started from now on. With
/// `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    patch, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "change_deployment",
    request_body = DeploymentChangeBody,
    params(
        ("id" = String, Path, description = "The deployment"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 200, description = "Changed", body = DeploymentView))
)]
async fn change_deployment(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<DeploymentId>, HeaderMap),
    body: Json<DeploymentChangeBody>,
) -> Result<Response, Problem> {
    let body = body.value;
    let named =
        Named { workflow: body.workflow, workflow_id: body.workflow_id, agent: body.agent, agent_id: body.agent_id };
    let change = DeploymentChange {
        name: body.name,
        description: body.description,
        source: named.source()?,
        settings: DeploymentSettings {
            config: body.config,
            environment_vars: body.environment_vars,
            allocated_memory_mb: body.allocated_memory_mb,
            allocated_cpu_shares: body.allocated_cpu_shares,
        },
        read_at: if_match(&headers)?,
    };
    let changed =
        detached(
            async move { state.use_cases.on_behalf_of(&who.origin).change_deployment(who.actor(), id, change).await },
        );
    Ok(shown(changed.await?))
}

/// Deletes a deployment: it starts nothing any more. What runs goes on, and it can be restored. With
/// `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    delete, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "delete_deployment",
    params(
        ("id" = String, Path, description = "The deployment"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_deployment(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<DeploymentId>, HeaderMap),
) -> Result<StatusCode, Problem> {
    let read_at = if_match(&headers)?;
    detached(
        async move { state.use_cases.on_behalf_of(&who.origin).delete_deployment(who.actor(), id, read_at).await },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes a delete. The deployment is stopped then.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/restore", tag = "deployments", operation_id = "restore_deployment",
    params(("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "Restored", body = DeploymentView))
)]
async fn restore_deployment(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Problem> {
    let restored =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).restore_deployment(who.actor(), id).await });
    Ok(shown(restored.await?))
}

/// A deployment with its `ETag`.
pub(super) fn shown(deployment: Deployment) -> Response {
    let updated_at = deployment.updated_at;
    tagged(DeploymentView::from(deployment), updated_at)
}

/// What a body names as what is to be run.
struct Named {
    workflow: Option<String>,
    workflow_id: Option<String>,
    agent: Option<String>,
    agent_id: Option<String>,
}

impl Named {
    /// The one thing that is named; nothing, if nothing is.
    fn source(self) -> Result<Option<DeploymentSource>, Problem> {
        match (self.workflow, self.workflow_id, self.agent, self.agent_id) {
            (None, None, None, None) => Ok(None),
            (Some(name), None, None, None) => Ok(Some(DeploymentSource::Workflow(Selector::Name(name)))),
            (None, Some(id), None, None) => match id.parse::<WorkflowId>() {
                Ok(id) => Ok(Some(DeploymentSource::Workflow(Selector::Id(id)))),
                Err(error) => Err(Problem::invalid_field("/workflow_id", error.to_string())),
            },
            (None, None, Some(name), None) => Ok(Some(DeploymentSource::AgentName(name))),
            (None, None, None, Some(id)) => match id.parse::<AgentId>() {
                Ok(id) => Ok(Some(DeploymentSource::Agent(id))),
                Err(error) => Err(Problem::invalid_field("/agent_id", error.to_string())),
            },
            _ => Err(one_of_them()),
        }
    }
}

fn one_of_them() -> Problem {
    let message = "it needs one of `workflow`, `workflow_id`, `agent` and `agent_id`, and not several".to_owned();
    Problem::invalid_field("", message)
}
