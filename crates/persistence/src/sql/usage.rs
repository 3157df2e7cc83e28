//! The statements of usage and budgets.

use chrono::{NaiveDate, NaiveDateTime};
use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

/// A turn: execution, path and key.
pub(crate) type Turn<'a> = (Uuid, &'a str, &'a str);

/// The parameters of `put_budget`.
pub(crate) struct BudgetValues {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) scope: &'static str,
    pub(crate) subject: String,
    pub(crate) unit: &'static str,
    pub(crate) period: &'static str,
    pub(crate) amount: i64,
    pub(crate) now: NaiveDateTime,
}

pub(crate) fn put_budget(values: BudgetValues) -> Statement {
    let BudgetValues { id, user_id, scope, subject, unit, period, amount, now } = values;
    statement!("put_budget", id, user_id, scope, subject, unit, period, amount, now)
}

pub(crate) fn wake_for_budget(budget: Uuid) -> Statement {
    statement!("wake_for_budget", budget)
}

pub(crate) fn insert_execution_budgets(execution: Uuid, units: Vec<String>, amounts: Vec<i64>) -> Statement {
    statement!("insert_execution_budgets", execution, units, amounts)
}

pub(crate) fn lock_budgets(execution: Uuid, agent: &str) -> Statement {
    statement!("lock_budgets", execution, agent)
}

pub(crate) fn list_budget_standings(budgets: Vec<Uuid>, but: Option<Turn<'_>>) -> Statement {
    let (execution, path, key) = but.map_or((None, None, None), |(id, path, key)| (Some(id), Some(path), Some(key)));
    statement!("list_budget_standings", budgets, execution, path, key)
}

pub(crate) fn reserve_budgets(budgets: Vec<Uuid>, (execution, path, key): Turn<'_>, amounts: Vec<i64>) -> Statement {
    statement!("reserve_budgets", budgets, execution, path, key, amounts)
}

pub(crate) fn wait_for_budget(budget: Uuid, (execution, path, key): Turn<'_>) -> Statement {
    statement!("wait_for_budget", budget, execution, path, key)
}

/// The parameters of `sum_usage`.
pub(crate) struct UsageValues {
    pub(crate) user_id: Option<Uuid>,
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
    pub(crate) agent: Option<String>,
    pub(crate) group: &'static str,
    pub(crate) limit: i64,
}

pub(crate) fn sum_usage(values: UsageValues) -> Statement {
    let UsageValues { user_id, from, to, agent, group, limit } = values;
    statement!("sum_usage", user_id, from, to, agent, group, limit)
}

pub(crate) fn sum_execution_usage(execution: Uuid) -> Statement {
    statement!("sum_execution_usage", execution)
}

#[cfg(test)]
pub(super) fn statements_of_usage() -> std::collections::BTreeMap<&'static str, Statement> {
    let (id, moment) = (Uuid::nil(), chrono::DateTime::UNIX_EPOCH.naive_utc());
    let budget = BudgetValues {
        id,
        user_id: id,
        scope: "user",
        subject: String::new(),
        unit: "tokens",
        period: "day",
        amount: 1,
        now: moment,
    };
    let (from, to) = (moment.date(), moment.date());
    let usage = UsageValues { user_id: None, from, to, agent: None, group: "day", limit: 1 };
    std::collections::BTreeMap::from([
        ("insert_execution_budgets", insert_execution_budgets(id, vec!["tokens".to_owned()], vec![1])),
        ("list_budget_standings", list_budget_standings(vec![id], None)),
        ("lock_budgets", lock_budgets(id, "a")),
        ("put_budget", put_budget(budget)),
        ("reserve_budgets", reserve_budgets(vec![id], (id, "p", "k"), vec![1])),
        ("sum_execution_usage", sum_execution_usage(id)),
        ("sum_usage", sum_usage(usage)),
        ("wait_for_budget", wait_for_budget(id, (id, "p", "k"))),
        ("wake_for_budget", wake_for_budget(id)),
    ])
}
