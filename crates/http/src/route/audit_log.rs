//! `/audit-logs`: who did what.

use axum::{Json, extract};
use serde::Deserialize;
use turbocat_domain::{permission::Permission, port::AuditLogFilter};
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::query::id;
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    extract::Params,
    page::{self, PageView, refused},
    view::AuditLogView,
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::AuditRead), routes!(list_audit_logs))
}

/// Which entries are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditLogQuery {
    /// Only by this user; for who is no administrator always oneself.
    user_id: Option<String>,
    /// Only this action: `workflow.published`.
    action: Option<String>,
    /// Only about this kind of thing: `workflow`.
    resource_type: Option<String>,
    /// Only about this thing: its id, with or without the prefix of its kind.
    resource_id: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    after: Option<String>,
}

/// The audit log: all of it for administrators, what they did themselves for the others.
#[utoipa::path(
    get, path = "/api/v1/audit-logs", tag = "audit-logs", operation_id = "list_audit_logs", params(AuditLogQuery),
    responses((status = 200, description = "A page of entries, newest first", body = PageView<AuditLogView>))
)]
async fn list_audit_logs(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<AuditLogQuery>,
) -> Result<Json<PageView<AuditLogView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let filter = AuditLogFilter {
        user: query.user_id.map(|text| id("user_id", &text)).transpose()?,
        action: query.action,
        resource_type: query.resource_type,
        resource_id: query.resource_id.as_deref().map(bare).transpose()?,
    };
    Ok(Json(PageView::of(state.use_cases.audit_logs(who.actor(), filter, page).await?)))
}

/// The UUID of an id of any kind.
fn bare(text: &str) -> Result<Uuid, Problem> {
    let uuid = text.rsplit_once('_').map_or(text, |(_, uuid)| uuid);
    uuid.parse().map_err(|_| refused("resource_id", format!("`{text}` is no id")))
}
