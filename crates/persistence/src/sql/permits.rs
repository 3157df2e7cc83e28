//! The statements of permits.

use chrono::NaiveDateTime;
use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

pub(crate) fn lock_permits(agent: Uuid) -> Statement {
    statement!("lock_permits", agent)
}

pub(crate) fn list_permits(worker: Uuid, agent: Uuid) -> Statement {
    statement!("list_permits", worker, agent)
}

/// The parameters of `put_permits`.
pub(crate) struct PermitValues {
    pub(crate) worker: Uuid,
    pub(crate) agent: Uuid,
    pub(crate) granted: i32,
    pub(crate) wanted: i32,
    pub(crate) waiting_since: Option<NaiveDateTime>,
}

pub(crate) fn put_permits(values: PermitValues) -> Statement {
    let PermitValues { worker, agent, granted, wanted, waiting_since } = values;
    statement!("put_permits", worker, agent, granted, wanted, waiting_since)
}
