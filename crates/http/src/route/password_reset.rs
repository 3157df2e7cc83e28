//! `/password-resets`: a new password, for who reads the mail of the account.

use axum::{extract, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    Needs, Problem, State,
    api::Api,
    auth::From,
    detached::{detached, later},
    extract::Json,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Nothing, routes!(request_password_reset)).route(Needs::Nothing, routes!(confirm_password_reset))
}

/// Whose password is to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    /// The address of the account.
    email: String,
}

/// Asks for a mail with which a new password can be set. The answer is the same whether there is such an account or not.
#[utoipa::path(
    post, path = "/api/v1/password-resets", tag = "sessions", operation_id = "request_password_reset",
    request_body = ResetBody,
    responses((status = 202, description = "If there is such an account, and it has a password, it is written to"))
)]
async fn request_password_reset(
    extract::State(state): extract::State<State>,
    From(origin): From,
    body: Json<ResetBody>,
) -> Result<StatusCode, Problem> {
    state.access.admit_password_reset(&origin).await?;
    let access = state.access.clone();
    later(&state, async move {
        match access.issue_password_reset(&body.value.email, &origin).await {
            Ok(Some(mail)) => access.deliver(mail).await,
            Ok(None) => tracing::debug!("a reset was asked for that nobody is written about"),
            Err(error) => tracing::warn!(%error, "a reset of a password came to nothing"),
        }
    })?;
    Ok(StatusCode::ACCEPTED)
}

/// A new password, with the token that allows it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// The token of the mail.
    #[schema(max_length = 100)]
    token: String,
    /// The password that is to be.
    #[schema(min_length = 8, max_length = 256)]
    password: String,
}

/// Sets a new password, and ends all sessions of the account: log in again. A token does it once.
#[utoipa::path(
    post, path = "/api/v1/password-resets/confirm", tag = "sessions", operation_id = "confirm_password_reset",
    request_body = ConfirmBody, responses((status = 204, description = "Set"))
)]
async fn confirm_password_reset(
    extract::State(state): extract::State<State>,
    From(origin): From,
    body: Json<ConfirmBody>,
) -> Result<StatusCode, Problem> {
    let (ConfirmBody { token, password }, access) = (body.value, state.access.clone());
    let mail = detached(async move { access.confirm_password_reset((&token, password), &origin).await }).await?;
    let access = state.access.clone();
    later(&state, async move { access.deliver(mail).await })?;
    Ok(StatusCode::NO_CONTENT)
}
