//! `/workflows`: publishing, listing, and taking out of sight.

use axum::{Json, extract, http::StatusCode};
use serde::Deserialize;
use serde_json::Value;
use turbocat_domain::{id::WorkflowId, permission::Permission, port::WorkflowFilter};
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::{
    publish::{PublishReportView, publish},
    query::{search, sort, tag},
};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, IdempotencyKey, Params, Raw},
    page::{self, PageQuery, PageView},
    view::{WorkflowStepView, WorkflowView},
    words::WorkflowStatusWord,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, write) = (Needs::Permission(Permission::WorkflowsRead), Needs::Permission(Permission::WorkflowsWrite));
    api.route(read, routes!(list_workflows))
        .route(write, routes!(publish_workflows))
        .route(read, routes!(show_workflow))
        .route(write, routes!(delete_workflow))
        .route(write, routes!(restore_workflow))
        .route(read, routes!(list_workflow_steps))
        .route(read, routes!(list_workflow_versions))
}

/// Publishes workflows, and agents that they need: all documents of the body, or none.
#[utoipa::path(
    post, path = "/api/v1/workflows", tag = "workflows", operation_id = "publish_workflows",
    request_body(content((Value = "application/json"), (String = "application/yaml"))),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses((status = 201, description = "Published; what is unchanged stays as it is", body = PublishReportView))
)]
async fn publish_workflows(
    extract::State(state): extract::State<State>,
    who: Who,
    key: IdempotencyKey,
    raw: Raw,
) -> Result<(StatusCode, Json<Value>), Problem> {
    publish((state, who), key, raw).await
}

/// Which workflows are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WorkflowQuery {
    /// Only versions of this name.
    name: Option<String>,
    /// Only this status.
    #[param(inline)]
    status: Option<WorkflowStatusWord>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those in whose name, description or tags all these words are found, whatever their case.
    #[param(min_length = 1, max_length = 200)]
    search: Option<String>,
    /// With what is public and somebody else's.
    #[serde(default)]
    public: bool,
    /// With what is deleted and one's own.
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

/// Versions of workflows, without their documents.
#[utoipa::path(
    get, path = "/api/v1/workflows", tag = "workflows", operation_id = "list_workflows", params(WorkflowQuery),
    responses((status = 200, description = "A page of workflows, newest first", body = PageView<WorkflowView>))
)]
async fn list_workflows(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<WorkflowQuery>,
) -> Result<Json<PageView<WorkflowView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = WorkflowFilter {
        public_too: query.public,
        name: query.name,
        status: query.status.map(|word| word.0),
        tag: query.tag.map(tag).transpose()?,
        search: query.search.as_deref().map(search).transpose()?,
        with_deleted: query.deleted,
        sort: sort(query.sort.as_deref())?,
        ..WorkflowFilter::default()
    };
    let workflows = state.use_cases.workflows(who.actor(), filter, page).await?;
    Ok(Json(PageView::of(workflows).map(WorkflowView::in_list)))
}

/// One version of a workflow, with its document.
#[utoipa::path(
    get, path = "/api/v1/workflows/{id}", tag = "workflows", operation_id = "show_workflow",
    params(("id" = String, Path, description = "The version")),
    responses((status = 200, description = "The version", body = WorkflowView))
)]
async fn show_workflow(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<WorkflowId>,
) -> Result<Json<WorkflowView>, Problem> {
    Ok(Json(state.use_cases.workflow_version(who.actor(), id).await?.into()))
}

/// The steps of a version, in their order.
#[utoipa::path(
    get, path = "/api/v1/workflows/{id}/steps", tag = "workflows", operation_id = "list_workflow_steps",
    params(("id" = String, Path, description = "The version")),
    responses((status = 200, description = "Its steps", body = Vec<WorkflowStepView>))
)]
async fn list_workflow_steps(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<WorkflowId>,
) -> Result<Json<Vec<WorkflowStepView>>, Problem> {
    let steps = state.use_cases.workflow_steps(who.actor(), id).await?;
    Ok(Json(steps.into_iter().map(WorkflowStepView::from).collect()))
}

/// The versions that share the name of this one.
#[utoipa::path(
    get, path = "/api/v1/workflows/{id}/versions", tag = "workflows", operation_id = "list_workflow_versions",
    params(("id" = String, Path, description = "A version"), PageQuery),
    responses((status = 200, description = "A page of versions, newest first", body = PageView<WorkflowView>))
)]
async fn list_workflow_versions(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<WorkflowId>,
    Params(page): Params<PageQuery>,
) -> Result<Json<PageView<WorkflowView>>, Problem> {
    let versions = state.use_cases.workflow_versions(who.actor(), id, page.request()?).await?;
    Ok(Json(PageView::of(versions).map(WorkflowView::in_list)))
}

/// Deletes a version: it starts nothing any more. What runs goes on, and it can be restored.
#[utoipa::path(
    delete, path = "/api/v1/workflows/{id}", tag = "workflows", operation_id = "delete_workflow",
    params(("id" = String, Path, description = "The version")),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_workflow(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<WorkflowId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.use_cases.on_behalf_of(&who.origin).delete_workflow(who.actor(), id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes a delete.
#[utoipa::path(
    post, path = "/api/v1/workflows/{id}/restore", tag = "workflows", operation_id = "restore_workflow",
    params(("id" = String, Path, description = "The version")),
    responses((status = 200, description = "Restored", body = WorkflowView))
)]
async fn restore_workflow(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<WorkflowId>,
) -> Result<Json<WorkflowView>, Problem> {
    let restored =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).restore_workflow(who.actor(), id).await });
    Ok(Json(restored.await?.into()))
}
