//! What is asked of executions that go on.

use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

pub(crate) fn request_cancel(id: Uuid) -> Statement {
    statement!("request_cancel", id)
}

pub(crate) fn pause_execution(id: Uuid, reason: Option<String>) -> Statement {
    statement!("pause_execution", id, reason)
}

pub(crate) fn resume_execution(id: Uuid) -> Statement {
    statement!("resume_execution", id)
}

#[cfg(test)]
pub(super) fn statements_of_requests() -> [(&'static str, Statement); 3] {
    let id = Uuid::nil();
    [
        ("pause_execution", pause_execution(id, None)),
        ("request_cancel", request_cancel(id)),
        ("resume_execution", resume_execution(id)),
    ]
}
