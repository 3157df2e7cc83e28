//! `/api-keys`: making, listing and revoking them.

use axum::{extract, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use turbocat_application::NewKey;
use turbocat_domain::{
    id::{ApiKeyId, UserId},
    permission::Permission,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, Json, Params},
    page::{self, PageView},
    view::{IssuedKeyView, KeyView},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::KeysRead), routes!(list_keys))
        .route(Needs::Permission(Permission::KeysWrite), routes!(create_key))
        .route(Needs::Permission(Permission::KeysRead), routes!(show_key))
        .route(Needs::Permission(Permission::KeysWrite), routes!(revoke_key))
}

/// A key that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What it may do: `workflows:read`, `executions:*`, `*`.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    user_id: Option<String>,
    /// When it ends; never without.
    expires_at: Option<DateTime<Utc>>,
    /// The requests that it may make in a minute; 60 without.
    #[schema(minimum = 1, maximum = 6_000_000)]
    rate_limit_per_minute: Option<u32>,
}

/// Makes a key. The key itself is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "api-keys", operation_id = "create_key", request_body = NewKeyBody,
    responses((status = 201, description = "Made", body = IssuedKeyView))
)]
async fn create_key(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<NewKeyBody>,
) -> Result<(StatusCode, axum::Json<IssuedKeyView>), Problem> {
    let NewKeyBody { name, scopes, user_id, expires_at, rate_limit_per_minute } = body.value;
    let owner = user_id.as_deref().map(user).transpose()?;
    let wanted = NewKey { name, scopes, owner, expires_at, rate_limit_per_minute };
    let issued = detached(async move { state.access.create_key(who.actor(), wanted, &who.origin).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(issued.into())))
}

/// Somebody who is not there, or is no id, is nobody.
pub(super) fn user(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| {
        Problem::from(turbocat_application::Error::NotFound { entity: "user", name: text.chars().take(100).collect() })
    })
}

/// Which keys are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// Whose; of who asks without.
    user_id: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// The keys of a user.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "api-keys", operation_id = "list_keys", params(KeyQuery),
    responses((status = 200, description = "A page of keys, newest first", body = PageView<KeyView>))
)]
async fn list_keys(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<KeyQuery>,
) -> Result<axum::Json<PageView<KeyView>>, Problem> {
    let owner = query.user_id.as_deref().map(user).transpose()?;
    let page = page::request(query.limit, query.after.as_deref())?;
    Ok(axum::Json(PageView::of(state.access.keys(who.actor(), owner, page).await?)))
}

/// One key, without the key itself.
#[utoipa::path(
    get, path = "/api/v1/api-keys/{id}", tag = "api-keys", operation_id = "show_key",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = KeyView))
)]
async fn show_key(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<ApiKeyId>,
) -> Result<axum::Json<KeyView>, Problem> {
    Ok(axum::Json(state.access.key(who.actor(), id).await?.into()))
}

/// Revokes a key, for good; it is refused everywhere within a second.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "api-keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Revoked"))
)]
async fn revoke_key(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.access.revoke_key(who.actor(), id, &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
