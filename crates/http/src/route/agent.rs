//! `/agents`: publishing, listing, and taking out of sight.

use axum::{Json, extract, http::StatusCode};
use serde::Deserialize;
use serde_json::Value;
use turbocat_domain::{id::AgentId, permission::Permission, port::AgentFilter};
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
    view::AgentView,
    words::{AgentStatusWord, AgentTypeWord},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, write) = (Needs::Permission(Permission::AgentsRead), Needs::Permission(Permission::AgentsWrite));
    api.route(read, routes!(list_agents))
        .route(write, routes!(publish_agents))
        .route(read, routes!(show_agent))
        .route(write, routes!(delete_agent))
        .route(write, routes!(restore_agent))
        .route(read, routes!(list_agent_versions))
}

/// Publishes agents, and workflows that use them: all documents of the body, or none.
#[utoipa::path(
    post, path = "/api/v1/agents", tag = "agents", operation_id = "publish_agents",
    request_body(content((Value = "application/json"), (String = "application/yaml"))),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses((status = 201, description = "Published; what is unchanged stays as it is", body = PublishReportView))
)]
async fn publish_agents(
    extract::State(state): extract::State<State>,
    who: Who,
    key: IdempotencyKey,
    raw: Raw,
) -> Result<(StatusCode, Json<Value>), Problem> {
    publish((state, who), key, raw).await
}

/// Which agents are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AgentQuery {
    /// Only versions of this name.
    name: Option<String>,
    /// Only this type.
    #[serde(rename = "type")]
    #[param(inline, rename = "type")]
    kind: Option<AgentTypeWord>,
    /// Only this status.
    #[param(inline)]
    status: Option<AgentStatusWord>,
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

/// Versions of agents, without their configs.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", operation_id = "list_agents", params(AgentQuery),
    responses((status = 200, description = "A page of agents, newest first", body = PageView<AgentView>))
)]
async fn list_agents(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<AgentQuery>,
) -> Result<Json<PageView<AgentView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = AgentFilter {
        public_too: query.public,
        name: query.name,
        kind: query.kind.map(|word| word.0),
        status: query.status.map(|word| word.0),
        tag: query.tag.map(tag).transpose()?,
        search: query.search.as_deref().map(search).transpose()?,
        with_deleted: query.deleted,
        sort: sort(query.sort.as_deref())?,
        ..AgentFilter::default()
    };
    let agents = state.use_cases.agents(who.actor(), filter, page).await?;
    Ok(Json(PageView::of(agents).map(AgentView::in_list)))
}

/// One version of an agent, with its config.
#[utoipa::path(
    get, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "show_agent",
    params(("id" = String, Path, description = "The version")),
    responses((status = 200, description = "The version", body = AgentView))
)]
async fn show_agent(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<AgentId>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(state.use_cases.agent_version(who.actor(), id).await?.into()))
}

/// The versions that share the name of this one.
#[utoipa::path(
    get, path = "/api/v1/agents/{id}/versions", tag = "agents", operation_id = "list_agent_versions",
    params(("id" = String, Path, description = "A version"), PageQuery),
    responses((status = 200, description = "A page of versions, newest first", body = PageView<AgentView>))
)]
async fn list_agent_versions(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<AgentId>,
    Params(page): Params<PageQuery>,
) -> Result<Json<PageView<AgentView>>, Problem> {
    let versions = state.use_cases.agent_versions(who.actor(), id, page.request()?).await?;
    Ok(Json(PageView::of(versions).map(AgentView::in_list)))
}

/// Deletes a version: nothing new can name it. What points at it still runs it, and it can be restored.
#[utoipa::path(
    delete, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "delete_agent",
    params(("id" = String, Path, description = "The version")),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_agent(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<AgentId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.use_cases.on_behalf_of(&who.origin).delete_agent(who.actor(), id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes a delete.
#[utoipa::path(
    post, path = "/api/v1/agents/{id}/restore", tag = "agents", operation_id = "restore_agent",
    params(("id" = String, Path, description = "The version")),
    responses((status = 200, description = "Restored", body = AgentView))
)]
async fn restore_agent(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<AgentId>,
) -> Result<Json<AgentView>, Problem> {
    let restored =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).restore_agent(who.actor(), id).await });
    Ok(Json(restored.await?.into()))
}
