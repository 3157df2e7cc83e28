//! The document of the API: what is the same for all routes. The routes themselves are read from their handlers.

use serde::Serialize;
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        OpenApi,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{FieldError, auth::SESSION_COOKIE};

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
struct ProblemView {
    /// `urn:turbocat:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, for a person.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What kind of problem it is, for a program; stable.
    code: String,
    /// What this occurrence is about.
    detail: Option<String>,
    /// The id under which the request is in the server's log.
    request_id: String,
    /// The values that are wrong, and where.
    errors: Option<Vec<FieldError>>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Turbocat",
        description = "Durable workflows of agents on PostgreSQL. Every error is a problem document (RFC 9457); lists \
            are read by cursors; a POST that starts or publishes takes an `Idempotency-Key`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemView, FieldError)),
    tags(
        (name = "workflows", description = "What executions run"),
        (name = "agents", description = "What steps run"),
        (name = "deployments", description = "Versions of workflows and agents under names in environments"),
        (name = "executions", description = "Starting, following and cancelling"),
        (name = "sessions", description = "Logging in with a password, and who one is"),
        (name = "api-keys", description = "What programs call with"),
        (name = "secrets", description = "What agents show to other sides"),
        (name = "users", description = "Accounts, for administrators"),
        (name = "events", description = "What executions wait for"),
        (name = "approvals", description = "Decisions that executions wait for"),
        (name = "schedules", description = "What starts workflows by itself"),
        (name = "audit-logs", description = "Who did what, and when"),
    )
)]
struct Document;

/// The document without its routes.
pub(crate) fn base() -> OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, `tc_live_…`, or the token of a session that was asked for at the login"))
        .build();
    components.add_security_scheme("api_key", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The session of a browser; a change must come from a page of this server",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    document
}
