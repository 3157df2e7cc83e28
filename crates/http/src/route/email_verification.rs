//! `/me/email-verification` and `/email-verifications`: proving that an address is the user's.

use axum::{extract, http::StatusCode};
use serde::Deserialize;
use turbocat_domain::permission::Permission;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    Needs, Problem, State,
    api::Api,
    auth::{From, Who},
    detached::{detached, later},
    extract::Json,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::AccountWrite), routes!(request_email_verification))
        .route(Needs::Nothing, routes!(confirm_email_verification))
}

/// Asks for a mail to one's own address, with which it is proven.
#[utoipa::path(
    post, path = "/api/v1/me/email-verification", tag = "sessions", operation_id = "request_email_verification",
    responses((status = 202, description = "The mail is on its way"))
)]
async fn request_email_verification(
    extract::State(state): extract::State<State>,
    who: Who,
) -> Result<StatusCode, Problem> {
    let access = state.access.clone();
    let mail = detached(async move { access.issue_email_verification(who.actor(), &who.origin).await }).await?;
    let access = state.access.clone();
    later(&state, async move { access.deliver(mail).await })?;
    Ok(StatusCode::ACCEPTED)
}

/// The proof of an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProofBody {
    /// The token of the mail.
    #[schema(max_length = 100)]
    token: String,
}

/// Proves an address. A token does it once.
#[utoipa::path(
    post, path = "/api/v1/email-verifications/confirm", tag = "sessions", operation_id = "confirm_email_verification",
    request_body = ProofBody, responses((status = 204, description = "Proven"))
)]
async fn confirm_email_verification(
    extract::State(state): extract::State<State>,
    From(origin): From,
    body: Json<ProofBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.access.confirm_email_verification(&body.value.token, &origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
