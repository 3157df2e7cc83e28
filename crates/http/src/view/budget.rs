//! Budgets, and what models used.

use chrono::{DateTime, Utc};
use serde::Serialize;
use turbocat_domain::{
    budget::{BudgetScope, BudgetStanding, as_number},
    port::UsageRow,
    usage::{UsageSum, as_usd},
};
use utoipa::ToSchema;

use crate::words::{BudgetPeriodWord, BudgetUnitWord};

/// A budget, and how it stands. Amounts are tokens, or dollars where the unit is `usd`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct BudgetView {
    /// Its id.
    id: String,
    /// Whose executions it is for.
    user_id: String,
    /// What it is for: `user`, `agent` or `execution`.
    scope: String,
    /// The name of the agent, or the id of the execution; null for that of a user.
    subject: Option<String>,
    /// What it counts.
    unit: BudgetUnitWord,
    /// For how long it is, in UTC.
    period: BudgetPeriodWord,
    /// How much may be used.
    amount: f64,
    /// What was used in the period that goes on.
    spent: f64,
    /// What is reserved for turns that are under way.
    reserved: f64,
    /// What is left.
    left: f64,
    /// When it was first set.
    created_at: DateTime<Utc>,
    /// When its amount was last set.
    updated_at: DateTime<Utc>,
}

impl From<BudgetStanding> for BudgetView {
    fn from(standing: BudgetStanding) -> Self {
        let unit = standing.budget.unit;
        let left = as_number(unit, standing.left());
        let BudgetStanding { budget, spent, reserved } = standing;
        let subject = match &budget.scope {
            BudgetScope::Execution(id) => Some(id.to_string()),
            scope => Some(scope.subject()).filter(|subject| !subject.is_empty()),
        };
        Self {
            id: budget.id.to_string(),
            user_id: budget.user_id.to_string(),
            scope: budget.scope.word().to_owned(),
            subject,
            unit: unit.into(),
            period: budget.period.into(),
            amount: as_number(unit, budget.amount),
            spent: as_number(unit, spent),
            reserved: as_number(unit, reserved),
            left,
            created_at: budget.created_at,
            updated_at: budget.updated_at,
        }
    }
}

/// What models used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// How many turns they took.
    calls: u64,
    /// What they read.
    input_tokens: u64,
    /// What they wrote.
    output_tokens: u64,
    /// How much of what they read came from the provider's cache.
    cached_input_tokens: u64,
    /// What that cost, in dollars, as far as it is known.
    cost_usd: f64,
    /// How many of the turns had no price.
    unpriced_calls: u64,
}

impl From<UsageSum> for UsageView {
    fn from(sum: UsageSum) -> Self {
        Self {
            calls: sum.calls,
            input_tokens: sum.tokens.input,
            output_tokens: sum.tokens.output,
            cached_input_tokens: sum.tokens.cached_input,
            cost_usd: as_usd(sum.nano_usd),
            unpriced_calls: sum.unpriced_calls,
        }
    }
}

/// What models used, of one group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UsageRowView {
    /// Which: a day (`2026-01-31`), a name, an id, a path.
    key: String,
    /// How much.
    #[serde(flatten)]
    usage: UsageView,
}

impl From<UsageRow> for UsageRowView {
    fn from(row: UsageRow) -> Self {
        Self { key: row.key, usage: row.sum.into() }
    }
}
