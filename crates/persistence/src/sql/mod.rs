//! The hand-written statements: one file and one function each. Rows and their meaning stand with the callers.

mod access;
mod audit;
mod batch;
mod journal;
mod parts;
mod permits;
mod planted;
mod request;
mod sections;
mod template;
mod usage;
mod user_token;
mod waiting;

use sea_orm::{DbBackend, Statement, Value};
use uuid::Uuid;

pub(crate) use access::{
    ClaimValues, RateValues, answer_idempotency_key, claim_idempotency_key, find_idempotency_key, prune_access,
    record_key_uses, take_rate,
};
pub(crate) use audit::{get_audit_head, list_audit_links, list_unsealed_audit_logs};
pub(crate) use batch::{
    EventValues, ExecutionArrays, FiringArrays, LineArrays, ScheduleValues, append_execution_logs, fire_schedules,
    insert_executions, publish_event, put_schedule,
};
pub(crate) use journal::{
    AgentArrays, Care, FinishedArrays, JournalArrays, ParkedArrays, RecordArrays, WaitArrays, commit_journal,
};
pub(crate) use parts::{PartValues, list_execution_parts, list_step_parts, record_step_part};
pub(crate) use permits::{PermitValues, list_permits, lock_permits, put_permits};
pub(crate) use request::{pause_execution, request_cancel, resume_execution};
pub(crate) use template::{count_template_use, fold_template_ratings, rate_template};
pub(crate) use usage::{
    BudgetValues, UsageValues, insert_execution_budgets, list_budget_standings, lock_budgets, put_budget,
    reserve_budgets, sum_execution_usage, sum_usage, wait_for_budget, wake_for_budget,
};
pub(crate) use user_token::{
    UserTokenValues, find_user_token, issue_user_token, redeem_user_token, revoke_user_tokens,
};
pub(crate) use waiting::{ApprovalValues, list_schedule_ticks, list_schedules, list_waiting_approvals};

/// A file of this folder, to be run with these values.
macro_rules! statement {
    ($file:literal $(, $value:expr)* $(,)?) => {
        $crate::sql::prepare(include_str!(concat!($file, ".sql")), vec![$(sea_orm::Value::from($value)),*])
    };
}
pub(crate) use statement;

fn prepare(sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, planted::changed(sql), values)
}

pub(crate) fn get_settings() -> Statement {
    statement!("get_settings")
}

/// Runs a query of a user. It has a connection of its own and is not run by way of a [`Statement`].
pub(crate) const RUN_TABULAR_QUERY: &str = include_str!("run_tabular_query.sql");

pub(crate) fn notify_wake() -> Statement {
    statement!("notify_wake")
}

pub(crate) fn find_transaction_status(id: &str) -> Statement {
    statement!("find_transaction_status", id)
}

pub(crate) fn insert_worker(id: Uuid, name: &str, lock_key: i64, lease_ms: i64) -> Statement {
    statement!("insert_worker", id, name, lock_key, lease_ms)
}

pub(crate) fn renew_worker(id: Uuid, lease_ms: i64) -> Statement {
    statement!("renew_worker", id, lease_ms)
}

pub(crate) fn find_dead_workers(finder: Uuid) -> Statement {
    statement!("find_dead_workers", finder)
}

pub(crate) fn lock_workers(ids: Vec<Uuid>) -> Statement {
    statement!("lock_workers", ids)
}

pub(crate) fn free_executions(workers: Vec<Uuid>, died: bool) -> Statement {
    statement!("free_executions", workers, died)
}

pub(crate) fn count_live_workers() -> Statement {
    statement!("count_live_workers")
}

pub(crate) fn count_queue(most: i64) -> Statement {
    statement!("count_queue", most)
}

pub(crate) fn list_excess_rights() -> Statement {
    statement!("list_excess_rights")
}

pub(crate) fn list_standing_executions(ids: Vec<Uuid>, (parents, paths): (Vec<Uuid>, Vec<String>)) -> Statement {
    statement!("list_standing_executions", ids, parents, paths)
}

pub(crate) fn claim_executions(worker: Uuid, limit: i64) -> Statement {
    statement!("claim_executions", worker, limit)
}

pub(crate) fn release_unknown_executions(worker: Uuid, known: Vec<Uuid>) -> Statement {
    statement!("release_unknown_executions", worker, known)
}

pub(crate) fn find_owned_mail(worker: Uuid) -> Statement {
    statement!("find_owned_mail", worker)
}

pub(crate) fn take_mail(worker: Uuid) -> Statement {
    statement!("take_mail", worker)
}

pub(crate) fn list_ended_children(parents: Vec<Uuid>) -> Statement {
    statement!("list_ended_children", parents)
}

pub(crate) fn find_next_due() -> Statement {
    statement!("find_next_due")
}

pub(crate) fn find_due_schedules(limit: i64, (slices, slice): (i32, i32)) -> Statement {
    statement!("find_due_schedules", limit, slices, slice)
}

pub(crate) fn end_schedules(workflows: Vec<Uuid>) -> Statement {
    statement!("end_schedules", workflows)
}

pub(crate) fn find_schedule(workflow: Uuid, owner: Uuid, name: &str) -> Statement {
    statement!("find_schedule", workflow, owner, name)
}

/// The parameters of `put_secret`.
pub(crate) struct SecretValues {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) key_id: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) now: chrono::NaiveDateTime,
}

pub(crate) fn put_secret(values: SecretValues) -> Statement {
    let SecretValues { id, user_id, name, hosts, key_id, sealed, now } = values;
    statement!("put_secret", id, user_id, name, hosts, key_id, sealed, now)
}

pub(crate) fn list_step_runs(executions: Vec<Uuid>) -> Statement {
    statement!("list_step_runs", executions)
}

pub(crate) fn lock_event_names(names: Vec<String>) -> Statement {
    statement!("lock_event_names", names)
}

pub(crate) fn list_events(name: &str, since: chrono::NaiveDateTime, (execution, path): (Uuid, &str)) -> Statement {
    statement!("list_events", name, since, execution, path)
}

pub(crate) fn fold_counters(limit: i64) -> Statement {
    statement!("fold_counters", limit)
}

pub(crate) fn lock_name(entity: &str, owner: Uuid, name: &str) -> Statement {
    statement!("lock_name", owner, entity, name)
}

pub(crate) fn delete_ended_executions(ids: Vec<Uuid>) -> Statement {
    statement!("delete_ended_executions", ids)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use sea_orm::{ConnectionTrait, Database};
    use turbocat_testkit::postgres::TestDatabase;

    use super::*;

    fn every_statement() -> BTreeMap<&'static str, Statement> {
        let (id, ids, at) = (Uuid::nil(), vec![Uuid::nil()], chrono::DateTime::UNIX_EPOCH.naive_utc());
        let event = EventValues {
            id,
            name: "e".to_owned(),
            payload: "{}".to_owned(),
            execution_id: None,
            path: None,
            user_id: id,
        };
        let schedule = ScheduleValues {
            workflow_id: id,
            user_id: id,
            name: "w".to_owned(),
            config: "{}".to_owned(),
            steps_total: 1,
            timeout_ms: 1,
            next_at: Some(at),
            jitter_ms: 0,
            queued_for: None,
        };
        let mut statements = BTreeMap::from([
            ("append_execution_logs", append_execution_logs(LineArrays::default())),
            ("claim_executions", claim_executions(id, 1)),
            ("commit_journal", commit_journal(id, JournalArrays::default(), Care::Plain)),
            ("count_live_workers", count_live_workers()),
            ("delete_ended_executions", delete_ended_executions(ids.clone())),
            ("end_schedules", end_schedules(ids.clone())),
            ("find_dead_workers", find_dead_workers(id)),
            ("find_due_schedules", find_due_schedules(1, (1, 0))),
            ("find_next_due", find_next_due()),
            ("find_owned_mail", find_owned_mail(id)),
            ("find_schedule", find_schedule(id, id, "w")),
            ("find_transaction_status", find_transaction_status("1")),
            ("fire_schedules", fire_schedules(id, FiringArrays::default())),
            ("fold_counters", fold_counters(1)),
            ("free_executions", free_executions(ids.clone(), true)),
            ("get_settings", get_settings()),
            ("insert_executions", insert_executions(None, ExecutionArrays::default())),
            ("insert_worker", insert_worker(id, "w", 1, 1)),
            ("list_ended_children", list_ended_children(ids.clone())),
            ("list_events", list_events("e", at, (id, "p"))),
            ("list_standing_executions", list_standing_executions(ids.clone(), (ids.clone(), vec!["p".to_owned()]))),
            ("list_step_runs", list_step_runs(ids.clone())),
            ("lock_event_names", lock_event_names(vec!["e".to_owned()])),
            ("lock_name", lock_name("agent", id, "a")),
            ("lock_workers", lock_workers(ids.clone())),
            ("notify_wake", notify_wake()),
            ("publish_event", publish_event(event)),
            ("put_schedule", put_schedule(schedule)),
            ("release_unknown_executions", release_unknown_executions(id, ids)),
            ("renew_worker", renew_worker(id, 1)),
            ("run_tabular_query", prepare(RUN_TABULAR_QUERY, vec!["".into(), "{}".into(), 1.into(), 1_i64.into()])),
            ("take_mail", take_mail(id)),
        ]);
        statements.extend(statements_of_access());
        statements.extend(statements_of_parts());
        statements.extend(request::statements_of_requests());
        statements.extend(template::statements_of_templates());
        statements.extend(usage::statements_of_usage());
        statements
    }

    /// Those of the parts of steps, and those that tell how the database stands.
    fn statements_of_parts() -> BTreeMap<&'static str, Statement> {
        let (id, data) = (Uuid::nil(), "{}".to_owned());
        let part = PartValues { worker: id, execution: id, path: "p", key: "k", kind: "turn", data, charge: None };
        let permits = PermitValues { worker: id, agent: id, granted: 1, wanted: 1, waiting_since: None };
        BTreeMap::from([
            ("list_permits", list_permits(id, id)),
            ("lock_permits", lock_permits(id)),
            ("put_permits", put_permits(permits)),
            ("count_queue", count_queue(1)),
            ("list_excess_rights", list_excess_rights()),
            ("list_execution_parts", list_execution_parts(id, 0, 1, vec!["model".to_owned()])),
            ("list_step_parts", list_step_parts(id, "p")),
            ("record_step_part", record_step_part(part)),
        ])
    }

    /// Those that tell who asks, how often, and whether it is the first time.
    fn statements_of_access() -> BTreeMap<&'static str, Statement> {
        let (id, at) = (Uuid::nil(), chrono::DateTime::UNIX_EPOCH.naive_utc());
        let rate = RateValues { subject: "s".to_owned(), each_us: 1, burst: 1, wanted: 1 };
        let claim = ClaimValues {
            user_id: id,
            key: "k".to_owned(),
            fingerprint: "f".to_owned(),
            resource_id: id,
            created_at: at,
            since: at,
        };
        let approvals = ApprovalValues {
            user_id: id,
            names: vec!["n".to_owned()],
            execution_id: None,
            path: None,
            after: None,
            limit: 1,
        };
        let user_token = UserTokenValues {
            id,
            user_id: id,
            purpose: "password_reset",
            token_hash: "h".to_owned(),
            email: "a@b".to_owned(),
            lifetime_us: 1,
            standing_max: 1,
        };
        let secret = SecretValues {
            id,
            user_id: id,
            name: "S".to_owned(),
            hosts: Vec::new(),
            key_id: "k".to_owned(),
            sealed: Vec::new(),
            now: at,
        };
        BTreeMap::from([
            ("put_secret", put_secret(secret)),
            ("answer_idempotency_key", answer_idempotency_key(id, "k", "{}".to_owned())),
            ("claim_idempotency_key", claim_idempotency_key(claim)),
            ("find_idempotency_key", find_idempotency_key(id, "k")),
            ("get_audit_head", get_audit_head()),
            ("list_schedules", list_schedules(None, None, 1)),
            ("list_schedule_ticks", list_schedule_ticks(id, 1)),
            ("list_waiting_approvals", list_waiting_approvals(approvals)),
            ("list_audit_links", list_audit_links(0, 1)),
            ("list_unsealed_audit_logs", list_unsealed_audit_logs(1)),
            ("prune_access", prune_access()),
            ("find_user_token", find_user_token("password_reset", "h")),
            ("issue_user_token", issue_user_token(user_token)),
            ("redeem_user_token", redeem_user_token("password_reset", "h")),
            ("revoke_user_tokens", revoke_user_tokens(id)),
            ("record_key_uses", record_key_uses(vec![id], vec![1], vec![at])),
            ("take_rate", take_rate(rate)),
        ])
    }

    #[tokio::test]
    async fn every_statement_is_planned_by_postgres() {
        let database = TestDatabase::create().await.unwrap();
        let db = Database::connect(database.url()).await.unwrap();
        for (name, mut statement) in every_statement() {
            statement.sql = format!("EXPLAIN {}", statement.sql);
            let plan = db.query_all_raw(statement).await;
            assert!(plan.is_ok(), "{name}.sql is refused: {plan:?}");
        }
    }

    #[test]
    fn every_file_is_a_statement_and_says_what_it_does() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: BTreeSet<String> = paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .inspect(|path| assert!(std::fs::read_to_string(path).unwrap().starts_with("-- "), "{path:?}"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();

        assert_eq!(files, every_statement().into_keys().map(str::to_owned).collect());
    }
}
