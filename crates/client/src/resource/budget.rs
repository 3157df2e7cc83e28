//! Budgets, and what language models used.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use turbocat_domain::{
    budget::{BudgetPeriod, BudgetUnit},
    id::{BudgetId, UserId},
    usage::UsageGroup,
};

use super::paged;
use crate::text;

/// A budget, and how it stands. Amounts are tokens, or dollars where the unit is `usd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its id.
    #[serde(with = "text")]
    pub id: BudgetId,
    /// Whose executions it is for.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// What it is for: `user`, `agent` or `execution`.
    pub scope: String,
    /// The name of the agent, or the id of the execution; nothing for that of a user.
    pub subject: Option<String>,
    /// What it counts.
    pub unit: BudgetUnit,
    /// For how long it is, in UTC.
    pub period: BudgetPeriod,
    /// How much may be used.
    pub amount: f64,
    /// What was used in the period that goes on.
    pub spent: f64,
    /// What is reserved for turns that are under way.
    pub reserved: f64,
    /// What is left.
    pub left: f64,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When its amount was last set.
    pub updated_at: DateTime<Utc>,
}

/// A budget that is to be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewBudget {
    /// What it is for: `user`, `agent` or `execution`.
    pub scope: String,
    /// The name of the agent, or the id of the execution; nothing for that of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it counts.
    pub unit: BudgetUnit,
    /// For how long it is, in UTC; `total` for that of an execution.
    pub period: BudgetPeriod,
    /// How much may be used: tokens, or dollars where the unit is `usd`.
    pub amount: f64,
    /// Whose executions it is for; who asks, unless an administrator names another.
    #[serde(default, with = "text::or_null", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// Which budgets are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetQuery {
    /// Whose; without, of who asks, and everybody's for an administrator.
    #[serde(default, with = "text::or_null")]
    pub user_id: Option<UserId>,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// What models used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// How many turns they took.
    pub calls: u64,
    /// What they read.
    pub input_tokens: u64,
    /// What they wrote.
    pub output_tokens: u64,
    /// How much of what they read came from the provider's cache.
    pub cached_input_tokens: u64,
    /// What that cost, in dollars, as far as it is known.
    pub cost_usd: f64,
    /// How many of the turns had no price.
    pub unpriced_calls: u64,
}

/// What models used, of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Which: a day (`2026-01-31`), a name, an id, a path.
    pub key: String,
    /// How much.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What models used, group by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRows {
    /// The groups: days in their order, else the dearest first.
    pub items: Vec<UsageRow>,
}

/// What an execution used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionUsage {
    /// With all that it started.
    pub total: Usage,
    /// What each of its own steps did, by path.
    pub steps: Vec<UsageRow>,
}

/// Which usage is summed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// By what it is summed; by day without.
    pub group: Option<UsageGroup>,
    /// The first day, in UTC; 30 days before the last without.
    pub from: Option<NaiveDate>,
    /// The last day, in UTC; today without.
    pub to: Option<NaiveDate>,
    /// Only of the agent of this name.
    pub agent: Option<String>,
    /// Whose; without, of who asks, and everybody's for an administrator.
    #[serde(default, with = "text::or_null")]
    pub user_id: Option<UserId>,
    /// The most groups, 1 to 200; 50 without.
    pub limit: Option<u16>,
}

paged!(BudgetQuery);
