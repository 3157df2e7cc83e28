//! `/sessions` and `/me`: logging in, logging out, and who one is.

use axum::{
    extract,
    http::{HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use turbocat_application::{LogIn, LoggedIn};
use turbocat_domain::{id::SessionId, permission::Permission};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    Needs, Problem, State,
    api::Api,
    auth::{From, SESSION_COOKIE, Who},
    detached::detached,
    extract::{Id, Json, Params},
    page::{PageQuery, PageView},
    refusal::internal,
    view::{SessionView, UserView},
};
/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Nothing, routes!(log_in))
        .route(Needs::Permission(Permission::AccountRead), routes!(list_sessions))
        .route(Needs::Account, routes!(log_out))
        .route(Needs::Permission(Permission::AccountWrite), routes!(end_session))
        .route(Needs::Account, routes!(me))
        .route(Needs::Account, routes!(change_password))
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LogInBody {
    /// The address of the account.
    #[schema(max_length = 255)]
    email: String,
    /// The password.
    #[schema(max_length = 256)]
    password: String,
    /// Whether the token is wanted in the answer, to be sent as `Authorization: Bearer`; without, it is in a cookie.
    #[serde(default)]
    return_token: bool,
}

/// A new session.
#[derive(Serialize, ToSchema)]
struct LoggedInView {
    /// The session.
    session: SessionView,
    /// Who logged in.
    user: UserView,
    /// The token, if it was asked for. It is shown this once, and is not kept.
    token: Option<String>,
}

/// Logs in with a password.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", operation_id = "log_in", request_body = LogInBody,
    responses((status = 201, description = "Logged in; the cookie of the session is set unless a token was asked for",
        body = LoggedInView))
)]
async fn log_in(
    extract::State(state): extract::State<State>,
    From(origin): From,
    body: Json<LogInBody>,
) -> Result<Response, Problem> {
    let LogInBody { email, password, return_token } = body.value;
    let LoggedIn { session, token, user } =
        detached(async move { state.access.log_in(LogIn { email, password }, &origin).await }).await?;
    let max_age = (session.expires_at - session.created_at).num_seconds();
    let cookie = cookie(token.expose(), max_age)?;
    let view = LoggedInView {
        session: session.into(),
        user: user.into(),
        token: return_token.then(|| token.expose().to_owned()),
    };
    let mut response = (StatusCode::CREATED, axum::Json(view)).into_response();
    if !return_token {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn cookie(value: &str, max_age: i64) -> Result<HeaderValue, Problem> {
    let cookie = format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&cookie).map_err(|error| internal(&error))
}

/// The sessions of who asks.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions", params(PageQuery),
    responses((status = 200, description = "A page of sessions that stand, newest first", body = PageView<SessionView>))
)]
async fn list_sessions(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(page): Params<PageQuery>,
) -> Result<axum::Json<PageView<SessionView>>, Problem> {
    let sessions = state.access.sessions(who.actor(), page.request()?).await?;
    Ok(axum::Json(PageView::of(sessions)))
}

/// Logs out: ends the session that the request was sent with. An API key stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/sessions/current", tag = "sessions", operation_id = "log_out",
    responses((status = 204, description = "Logged out"))
)]
async fn log_out(extract::State(state): extract::State<State>, who: Who) -> Result<impl IntoResponse, Problem> {
    detached(async move { state.access.log_out(&who.caller, &who.origin).await }).await?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie("", 0)?)])))
}

/// Ends one of the sessions of who asks.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "end_session",
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "Ended"))
)]
async fn end_session(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.access.end_session(who.actor(), id, &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks, and what they may do.
#[derive(Serialize, ToSchema)]
struct MeView {
    /// The account.
    user: UserView,
    /// What may be done with this credential.
    permissions: Vec<String>,
}

/// The account of who asks.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "sessions", operation_id = "me",
    responses((status = 200, description = "Who asks", body = MeView))
)]
async fn me(extract::State(state): extract::State<State>, who: Who) -> Result<axum::Json<MeView>, Problem> {
    let user = state.access.own_account(who.actor()).await?;
    let permissions = who.actor().permissions.iter().map(|permission| permission.to_string()).collect();
    Ok(axum::Json(MeView { user: user.into(), permissions }))
}

/// A change of one's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// The password of now.
    #[schema(max_length = 256)]
    current: String,
    /// The one that is to be.
    #[schema(min_length = 8, max_length = 256)]
    new: String,
}

/// Changes one's own password, and ends all one's sessions: log in again. Keys stay.
#[utoipa::path(
    post, path = "/api/v1/me/password", tag = "sessions", operation_id = "change_password",
    request_body = PasswordBody, responses((status = 204, description = "Changed"))
)]
async fn change_password(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<PasswordBody>,
) -> Result<StatusCode, Problem> {
    let PasswordBody { current, new } = body.value;
    detached(async move { state.access.change_password(&who.caller, (current, new), &who.origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
