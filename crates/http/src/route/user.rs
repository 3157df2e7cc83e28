//! `/users`: accounts, for administrators.

use axum::{
    Json as Answer, extract,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use turbocat_application::{AccountChange, NewAccount};
use turbocat_domain::{
    id::UserId,
    permission::Permission,
    port::UserFilter,
    user::{User, UserRole},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::query::search;
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    etag::{if_match, tagged},
    extract::{Id, Json, Params},
    page::{self, PageView},
    view::UserView,
    words::UserRoleWord,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, write) = (Needs::Permission(Permission::UsersRead), Needs::Permission(Permission::UsersWrite));
    api.route(read, routes!(list_users))
        .route(write, routes!(create_user))
        .route(read, routes!(show_user))
        .route(write, routes!(change_user))
        .route(write, routes!(delete_user))
        .route(write, routes!(restore_user))
}

/// An account that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUserBody {
    /// The address.
    #[schema(max_length = 255)]
    email: String,
    /// What the user is called.
    #[schema(min_length = 1, max_length = 255)]
    full_name: Option<String>,
    /// What the user may do: `user` without.
    #[schema(inline)]
    role: Option<UserRoleWord>,
    /// The password; without one nobody can log in. A service account (`agent`) has none.
    #[schema(min_length = 8, max_length = 256)]
    password: Option<String>,
}

/// What is to be changed of an account; what is not there stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChangeBody {
    /// What the user is called.
    #[schema(min_length = 1, max_length = 255)]
    full_name: Option<String>,
    /// What the user may do.
    #[schema(inline)]
    role: Option<UserRoleWord>,
    /// Whether the account can be used.
    is_active: Option<bool>,
}

/// Which accounts are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UserQuery {
    /// Only this role.
    #[param(inline)]
    role: Option<UserRoleWord>,
    /// Only those that can be used, or that cannot.
    active: Option<bool>,
    /// Only those in whose address or name all these words are found, whatever their case.
    #[param(min_length = 1, max_length = 200)]
    search: Option<String>,
    /// With those that are deleted.
    #[serde(default)]
    deleted: bool,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// Makes an account.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "create_user", request_body = NewUserBody,
    responses((status = 201, description = "Made", body = UserView))
)]
async fn create_user(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<NewUserBody>,
) -> Result<Response, Problem> {
    let NewUserBody { email, full_name, role, password } = body.value;
    let role = role.map_or_else(UserRole::default, |word| word.0);
    let wanted = NewAccount { email, full_name, role, password };
    let made = detached(async move { state.access.create_user(who.actor(), wanted, &who.origin).await }).await?;
    Ok((StatusCode::CREATED, shown(made)).into_response())
}

/// Accounts.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "list_users", params(UserQuery),
    responses((status = 200, description = "A page of accounts, newest first", body = PageView<UserView>))
)]
async fn list_users(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<UserQuery>,
) -> Result<Answer<PageView<UserView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = UserFilter {
        role: query.role.map(|word| word.0),
        active: query.active,
        search: query.search.as_deref().map(search).transpose()?,
        with_deleted: query.deleted,
    };
    Ok(Answer(PageView::of(state.access.users(who.actor(), &filter, page).await?)))
}

/// One account.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users", operation_id = "show_user",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account; its `ETag` is for `If-Match`", body = UserView))
)]
async fn show_user(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<UserId>,
) -> Result<Response, Problem> {
    Ok(shown(state.access.user(who.actor(), id).await?))
}

/// Changes an account. With `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "change_user", request_body = UserChangeBody,
    params(
        ("id" = String, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 200, description = "Changed", body = UserView))
)]
async fn change_user(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<UserId>, HeaderMap),
    body: Json<UserChangeBody>,
) -> Result<Response, Problem> {
    let UserChangeBody { full_name, role, is_active } = body.value;
    let role = role.map(|word| word.0);
    let change = AccountChange { full_name, role, is_active, read_at: if_match(&headers)? };
    let changed = detached(async move { state.access.change_user(who.actor(), (id, change), &who.origin).await });
    Ok(shown(changed.await?))
}

/// Deletes an account: it cannot act any more. It can be restored. With
/// `If-Match`, not if somebody else has changed it since.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "users", operation_id = "delete_user",
    params(
        ("id" = String, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` under which it was read"),
    ),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_user(
    extract::State(state): extract::State<State>,
    (who, Id(id), headers): (Who, Id<UserId>, HeaderMap),
) -> Result<StatusCode, Problem> {
    let read_at = if_match(&headers)?;
    detached(async move { state.access.delete_user(who.actor(), (id, read_at), &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes a delete.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/restore", tag = "users", operation_id = "restore_user",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "Restored", body = UserView))
)]
async fn restore_user(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<UserId>,
) -> Result<Response, Problem> {
    let restored = detached(async move { state.access.restore_user(who.actor(), id, &who.origin).await });
    Ok(shown(restored.await?))
}

/// An account with its `ETag`.
fn shown(user: User) -> Response {
    let updated_at = user.updated_at;
    tagged(UserView::from(user), updated_at)
}
