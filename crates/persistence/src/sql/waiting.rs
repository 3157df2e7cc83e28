//! The statements that look at what waits: for people, and for its time.

use chrono::NaiveDateTime;
use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

/// Where a page begins: behind this row.
pub(crate) type After = Option<(NaiveDateTime, Uuid)>;

/// The parameters of `list_waiting_approvals`.
pub(crate) struct ApprovalValues {
    pub(crate) user_id: Uuid,
    /// What the user may be called among the approvers.
    pub(crate) names: Vec<String>,
    pub(crate) execution_id: Option<Uuid>,
    pub(crate) path: Option<String>,
    pub(crate) after: After,
    pub(crate) limit: i64,
}

pub(crate) fn list_waiting_approvals(values: ApprovalValues) -> Statement {
    let (at, id) = values.after.unzip();
    statement!(
        "list_waiting_approvals",
        values.user_id,
        values.names,
        values.execution_id,
        values.path,
        at,
        id,
        values.limit,
    )
}

pub(crate) fn list_schedules(user: Option<Uuid>, after: After, limit: i64) -> Statement {
    let (at, id) = after.unzip();
    statement!("list_schedules", user, at, id, limit)
}

pub(crate) fn list_schedule_ticks(workflow: Uuid, limit: i64) -> Statement {
    statement!("list_schedule_ticks", workflow, limit)
}
