//! What models used: read as sums, and held against budgets before a turn is taken.

use async_trait::async_trait;
use chrono::NaiveDate;

use super::{Page, PageRequest, Result, StepPlace};
use crate::{
    budget::{Budget, BudgetLimit, BudgetStanding, Estimate, Shortfall},
    id::{BudgetId, ExecutionId, UserId},
    usage::{UsageGroup, UsageSum},
    value::Name,
};

/// A turn that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The name of the turn in its step: the same whenever it is tried again.
    pub key: String,
    /// The agent that takes it.
    pub agent_name: Name,
    /// The most that it may use.
    pub estimate: Estimate,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// The turn may be taken: it fits all budgets that apply, and is reserved in each.
    Reserved,
    /// It does not fit this one; nothing is reserved, and the execution is woken when the budget is changed.
    Short(Box<Shortfall>),
}

/// Holds turns against budgets.
///
/// A reservation is settled when its turn is recorded with its charge, and counts for nothing once its execution has
/// ended.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BudgetLedger: Send + Sync {
    /// Reserves what a turn may use in all budgets that apply: those of the user of the execution, of the agent, of the
    /// execution, and of those that started it. `limits` become budgets of the execution if it has none of the kind.
    ///
    /// MUST be atomic: of two turns that fit alone but not together one is refused. A reservation of the same turn
    /// takes the place of the one before.
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome>;
}

/// The budgets, in a unit of work.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BudgetRepository: Send {
    /// Sets a budget. One of the same user, scope, unit and period gets the new amount and `updated_at`, and keeps its
    /// id and `created_at`. Wakes the executions that wait for it. Returns the id that it has.
    async fn put(&mut self, budget: &Budget) -> Result<BudgetId>;
    /// Deletes a budget, and wakes the executions that wait for it; `NotFound` if there is none.
    async fn delete(&mut self, id: BudgetId) -> Result<()>;
}

/// Reads budgets.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BudgetQueries: Send + Sync {
    /// The budget; `NotFound` if there is none.
    async fn get(&self, id: BudgetId) -> Result<BudgetStanding>;
    /// A page of the budgets of all users or of one, the newest first.
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<BudgetStanding>>;
}

/// Which usage is summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this user; of all without.
    pub user: Option<UserId>,
    /// From this day on.
    pub from: NaiveDate,
    /// To this day, with it.
    pub to: NaiveDate,
    /// Only of this agent.
    pub agent: Option<Name>,
}

/// The usage of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Which: a day (`2026-01-31`), a name, or an id.
    pub key: String,
    /// How much.
    pub sum: UsageSum,
}

/// Reads what models used.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UsageQueries: Send + Sync {
    /// The sums of each group, the days in their order, else the dearest first; at most `limit`.
    async fn sums(&self, filter: &UsageFilter, group: UsageGroup, limit: u16) -> Result<Vec<UsageRow>>;
    /// What an execution used, with all that it started, and what each of its own steps did, by path.
    async fn of_execution(&self, id: ExecutionId) -> Result<(UsageSum, Vec<UsageRow>)>;
}
