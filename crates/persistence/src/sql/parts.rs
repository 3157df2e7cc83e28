//! The statements of the parts of steps.

use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

/// The parameters of `record_step_part`.
pub(crate) struct PartValues<'a> {
    pub(crate) worker: Uuid,
    pub(crate) execution: Uuid,
    pub(crate) path: &'a str,
    pub(crate) key: &'a str,
    pub(crate) kind: &'a str,
    /// JSON.
    pub(crate) data: String,
    /// JSON: what it is charged.
    pub(crate) charge: Option<String>,
}

pub(crate) fn record_step_part(values: PartValues<'_>) -> Statement {
    let PartValues { worker, execution, path, key, kind, data, charge } = values;
    statement!("record_step_part", worker, execution, path, key, kind, data, charge)
}

pub(crate) fn list_execution_parts(execution: Uuid, after: i64, limit: i64, members: Vec<String>) -> Statement {
    statement!("list_execution_parts", execution, after, limit, members)
}

pub(crate) fn list_step_parts(execution: Uuid, path: &str) -> Statement {
    statement!("list_step_parts", execution, path)
}
