//! `/secrets`: setting, listing and deleting them. Values go in and never come out.

use axum::extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use turbocat_application::NewSecret;
use turbocat_domain::{id::SecretId, permission::Permission, value::SecretName};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, Json, Params},
    page,
    route::key::user,
    view::SecretView,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::SecretsRead), routes!(list_secrets))
        .route(Needs::Permission(Permission::SecretsWrite), routes!(set_secret))
        .route(Needs::Permission(Permission::SecretsWrite), routes!(delete_secret))
}

/// A secret that is to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// What it is called: letters, digits and `_`.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Its value. It is shown nowhere again.
    #[schema(min_length = 8, max_length = 16384, write_only)]
    value: String,
    /// The hosts that it may be sent to; without any it is for code agents alone.
    #[serde(default)]
    #[schema(max_items = 50)]
    hosts: Vec<String>,
    /// Whose it is to be; who asks, unless an administrator names another.
    user_id: Option<String>,
}

/// Sets a secret. One of the same name gets the new value and hosts, and keeps its id.
#[utoipa::path(
    post, path = "/api/v1/secrets", tag = "secrets", operation_id = "set_secret", request_body = SecretBody,
    responses((status = 200, description = "Set; the value is not repeated", body = SecretView))
)]
async fn set_secret(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<SecretBody>,
) -> Result<axum::Json<SecretView>, Problem> {
    let SecretBody { name, value, hosts, user_id } = body.value;
    let owner = user_id.as_deref().map(user).transpose()?;
    let wanted = NewSecret { name, value, hosts, owner };
    let set = detached(async move { state.access.set_secret(who.actor(), wanted, &who.origin).await }).await?;
    Ok(axum::Json(set.into()))
}

/// Which secrets are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SecretQuery {
    /// Whose; of who asks without.
    user_id: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    #[param(max_length = 64)]
    after: Option<String>,
}

/// A page of secrets.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct SecretPage {
    /// The secrets, by name.
    items: Vec<SecretView>,
    /// Where the next page starts: `after` of the next request. Null on the last.
    next: Option<String>,
}

/// The secrets of a user by name, without their values.
#[utoipa::path(
    get, path = "/api/v1/secrets", tag = "secrets", operation_id = "list_secrets", params(SecretQuery),
    responses((status = 200, description = "A page of secrets", body = SecretPage))
)]
async fn list_secrets(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<SecretQuery>,
) -> Result<axum::Json<SecretPage>, Problem> {
    let owner = query.user_id.as_deref().map(user).transpose()?;
    let limit = page::request(query.limit, None)?.limit;
    let after = query.after.unwrap_or_default();
    if !after.is_empty() && SecretName::parse(after.as_str()).is_err() {
        return Err(page::refused("after", "it is not the `next` of a page".to_owned()));
    }
    // One more than is shown tells whether there is a next page.
    let mut found = state.access.secrets(who.actor(), owner, (&after, limit.saturating_add(1))).await?;
    let is_more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let next = found.last().filter(|_| is_more).map(|last| last.name.to_string());
    Ok(axum::Json(SecretPage { items: found.into_iter().map(SecretView::from).collect(), next }))
}

/// Deletes a secret, for good: what needs it fails from then on.
#[utoipa::path(
    delete, path = "/api/v1/secrets/{id}", tag = "secrets", operation_id = "delete_secret",
    params(("id" = String, Path, description = "The secret's id")),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_secret(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<SecretId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.access.delete_secret_by_id(who.actor(), id, &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
