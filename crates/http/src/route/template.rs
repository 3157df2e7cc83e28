//! `/templates`: agents, workflows and steps to start from.

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_application::{TemplateChange, TemplateContent, TemplateCopy, TemplateUse};
use turbocat_domain::{id::TemplateId, permission::Permission, port::TemplateFilter, template::Template};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::query::{search, sort, tag};
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    etag::{if_match, tagged},
    extract::{Id, Json, Params},
    page::{self, PageView},
    view::TemplateView,
    words::TemplateTypeWord,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, write) = (Needs::Permission(Permission::TemplatesRead), Needs::Permission(Permission::TemplatesWrite));
    api.route(read, routes!(list_templates))
        .route(write, routes!(create_template))
        .route(read, routes!(show_template))
        .route(write, routes!(change_template))
        .route(write, routes!(delete_template))
        .route(write, routes!(restore_template))
        .route(write, routes!(rate_template))
        .route(Needs::Permission(Permission::WorkflowsWrite), routes!(use_template))
}

/// Which templates are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TemplateQuery {
    /// Only those on this shelf.
    category: Option<String>,
    /// Only what makes this.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TemplateTypeWord>,
    /// Only those that come with the platform.
    #[serde(default)]
    official: bool,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those in whose name, description or tags all these words are found, whatever their case.
    #[param(min_length = 1, max_length = 200)]
    search: Option<String>,
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

/// A template that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTemplateBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The shelf that it stands on.
    #[schema(min_length = 1, max_length = 100)]
    category: String,
    /// What it makes.
    #[serde(rename = "type")]
    kind: TemplateTypeWord,
    /// What is copied: the document of an agent, a step, or `workflow` with the `agents` that it needs.
    #[schema(value_type = Object)]
    template_data: Value,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
    /// Whether everybody may use it.
    #[serde(default)]
    is_public: bool,
}

/// What is to be changed of a template; what is not there stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TemplateChangeBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// What it is for; an empty text takes it away.
    description: Option<String>,
    /// The shelf that it stands on.
    #[schema(min_length = 1, max_length = 100)]
    category: Option<String>,
    /// What is copied.
    #[schema(value_type = Option<Object>)]
    template_data: Option<Value>,
    /// Words to find it by.
    tags: Option<Vec<String>>,
    /// Whether everybody may use it.
    is_public: Option<bool>,
}

/// How many stars are given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RatingBody {
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    stars: u8,
}

/// How a template is used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UseBody {
    /// What the agent or the workflow is to be called, if not as in the template.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// What is to be otherwise in its document: a JSON merge patch (RFC 7396).
    #[schema(value_type = Option<Object>)]
    changes: Option<Value>,
}

/// What a template has made: `published` for an agent or a workflow, `step` for a step.
#[derive(Serialize, ToSchema)]
struct CopyView {
    /// What was published, in the form of the answer of `POST /workflows`.
    published: Option<Value>,
    /// The step, to be put into a workflow.
    step: Option<Value>,
}

/// Templates: one's own, what is public, and what comes with the platform, without their content.
#[utoipa::path(
    get, path = "/api/v1/templates", tag = "templates", operation_id = "list_templates", params(TemplateQuery),
    responses((status = 200, description = "A page of templates, newest first", body = PageView<TemplateView>))
)]
async fn list_templates(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<TemplateQuery>,
) -> Result<Answer<PageView<TemplateView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = TemplateFilter {
        category: query.category,
        kind: query.kind.map(|word| word.0),
        official_only: query.official,
        tag: query.tag.map(tag).transpose()?,
        search: query.search.as_deref().map(search).transpose()?,
        with_deleted: query.deleted,
        sort: sort(query.sort.as_deref())?,
        ..TemplateFilter::default()
    };
    let templates = state.use_cases.templates(who.actor(), filter, page).await?;
    Ok(Answer(PageView::of(templates).map(TemplateView::in_list)))
}

/// Makes a template.
#[utoipa::path(
    post, path = "/api/v1/templates", tag = "templates", operation_id = "create_template",
    request_body = NewTemplateBody,
    responses((status = 201, description = "Made; its `ETag` is for `If-Match`", body = TemplateView))
)]
async fn create_template(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<NewTemplateBody>,
) -> Result<Response, Problem> {
    let NewTemplateBody { name, description, category, kind, template_data, tags, is_public } = body.value;
    let content = TemplateContent { name, description, category, kind: kind.0, template_data, tags, is_public };
    let made =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).create_template(who.actor(), content).await });
    Ok((StatusCode::CREATED, shown(made.await?)).into_response())
}

/// One template, with its content.
#[utoipa::path(
    get, path = "/api/v1/templates/{id}", tag = "templates", operation_id = "show_template",
    params(("id" = String, Path, description = "The template")),
    responses((status = 200, description = "The template; its `ETag` is for `If-Match`", body = TemplateView))
)]
async fn show_template(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<TemplateId>,
) -> Result<Response, Problem> {
    Ok(shown(state.use_cases.template(who.actor(), id).await?))
}

/// Changes a template of one's own. With `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    patch, path = "/api/v1/templates/{id}", tag = "templates", operation_id = "change_template",
    request_body = TemplateChangeBody,
    params(
        ("id" = String, Path, description = "The template"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 200, description = "Changed", body = TemplateView))
)]
async fn change_template(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<TemplateId>, HeaderMap),
    body: Json<TemplateChangeBody>,
) -> Result<Response, Problem> {
    let TemplateChangeBody { name, description, category, template_data, tags, is_public } = body.value;
    let read_at = if_match(&headers)?;
    let change = TemplateChange { name, description, category, template_data, tags, is_public, read_at };
    let changed =
        detached(
            async move { state.use_cases.on_behalf_of(&who.origin).change_template(who.actor(), id, change).await },
        );
    Ok(shown(changed.await?))
}

/// Deletes a template of one's own. What was made of it stays, and it can be restored. With
/// `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    delete, path = "/api/v1/templates/{id}", tag = "templates", operation_id = "delete_template",
    params(
        ("id" = String, Path, description = "The template"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_template(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<TemplateId>, HeaderMap),
) -> Result<StatusCode, Problem> {
    let read_at = if_match(&headers)?;
    detached(async move { state.use_cases.on_behalf_of(&who.origin).delete_template(who.actor(), id, read_at).await })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes a delete.
#[utoipa::path(
    post, path = "/api/v1/templates/{id}/restore", tag = "templates", operation_id = "restore_template",
    params(("id" = String, Path, description = "The template")),
    responses((status = 200, description = "Restored", body = TemplateView))
)]
async fn restore_template(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<TemplateId>,
) -> Result<Response, Problem> {
    let restored =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).restore_template(who.actor(), id).await });
    Ok(shown(restored.await?))
}

/// Gives a template of somebody else 1 to 5 stars, in place of those that one gave before.
#[utoipa::path(
    put, path = "/api/v1/templates/{id}/rating", tag = "templates", operation_id = "rate_template",
    request_body = RatingBody, params(("id" = String, Path, description = "The template")),
    responses((status = 200, description = "Rated", body = TemplateView))
)]
async fn rate_template(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<TemplateId>),
    body: Json<RatingBody>,
) -> Result<Response, Problem> {
    let stars = body.value.stars;
    let rated =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).rate_template(who.actor(), id, stars).await });
    Ok(shown(rated.await?))
}

/// Makes an agent or a workflow of one's own of a template, active at once; a step is only given back. Nothing that one
/// has is changed: if something else has the name, another one is to be chosen.
#[utoipa::path(
    post, path = "/api/v1/templates/{id}/instantiate", tag = "templates", operation_id = "use_template",
    request_body = UseBody, params(("id" = String, Path, description = "The template")),
    responses((status = 201, description = "Made", body = CopyView))
)]
async fn use_template(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<TemplateId>),
    body: Json<UseBody>,
) -> Result<(StatusCode, Answer<CopyView>), Problem> {
    let UseBody { name, changes } = body.value;
    let wanted = TemplateUse { name, changes };
    let copy =
        detached(async move { state.use_cases.on_behalf_of(&who.origin).use_template(who.actor(), id, wanted).await });
    let view = match copy.await? {
        TemplateCopy::Published(report) => CopyView { published: Some(report.to_value()), step: None },
        TemplateCopy::Step(step) => CopyView { published: None, step: Some(step) },
    };
    Ok((StatusCode::CREATED, Answer(view)))
}

/// A template with its `ETag`.
fn shown(template: Template) -> Response {
    let updated_at = template.updated_at;
    tagged(TemplateView::from(template), updated_at)
}
