//! Budgets: how much language models may use for a user, an agent or an execution.
//!
//! # Invariants
//!
//! 1. What was used and what is reserved never comes to more than the amount, but for what a turn used beyond what was
//!    reserved for it.
//! 2. A budget is exhausted, never broken: what does not fit waits.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;

use crate::{
    id::{BudgetId, ExecutionId, UserId},
    usage::{as_nano_usd, as_usd, show_usd},
    value::{Name, text_enum},
};

/// The largest amount: what a column of storage holds.
pub const AMOUNT_MAX: u64 = i64::MAX.unsigned_abs();

text_enum! {
    /// What a budget counts.
    #[derive(PartialOrd, Ord)]
    pub enum BudgetUnit: "a unit of budgets" {
        /// Tokens, read and written.
        Tokens = "tokens",
        /// Nano-dollars.
        Usd = "usd",
    }
}

text_enum! {
    /// For how long a budget is.
    #[derive(PartialOrd, Ord)]
    pub enum BudgetPeriod: "a period of budgets" {
        /// A day, in UTC.
        Day = "day",
        /// A month, in UTC.
        Month = "month",
        /// All time.
        Total = "total",
    }
}

impl BudgetPeriod {
    /// The first day that counts; `None` if all do.
    #[must_use]
    pub fn first_day(self, now: DateTime<Utc>) -> Option<NaiveDate> {
        let today = now.date_naive();
        match self {
            Self::Day => Some(today),
            Self::Month => today.with_day(1),
            Self::Total => None,
        }
    }
}

/// What a budget is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetScope {
    /// All executions of its user.
    User,
    /// The agent of this name, all its versions, in the executions of its user.
    Agent(Name),
    /// An execution, with all that it starts.
    Execution(ExecutionId),
}

impl BudgetScope {
    /// The words for the kinds of scopes.
    pub const WORDS: [&str; 3] = ["user", "agent", "execution"];

    /// Which kind it is.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent(_) => "agent",
            Self::Execution(_) => "execution",
        }
    }

    /// What of that kind, as stored: nothing, a name, or the bare id.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::User => String::new(),
            Self::Agent(name) => name.to_string(),
            Self::Execution(id) => id.as_uuid().to_string(),
        }
    }

    /// Reads what [`word`](Self::word) and [`subject`](Self::subject) say.
    #[must_use]
    pub fn parse(word: &str, subject: &str) -> Option<Self> {
        match word {
            "user" if subject.is_empty() => Some(Self::User),
            "agent" => Name::parse(subject).ok().map(Self::Agent),
            "execution" => subject.parse().ok().map(Self::Execution),
            _ => None,
        }
    }
}

/// How much may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its id; it stays when the amount is changed.
    pub id: BudgetId,
    /// Whose executions it is for.
    pub user_id: UserId,
    /// What it is for.
    pub scope: BudgetScope,
    /// What it counts.
    pub unit: BudgetUnit,
    /// For how long it is.
    pub period: BudgetPeriod,
    /// How much may be used: tokens or nano-dollars.
    pub amount: u64,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When its amount was last set.
    pub updated_at: DateTime<Utc>,
}

/// An amount that a workflow sets for each of its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetLimit {
    /// What it counts.
    pub unit: BudgetUnit,
    /// How much may be used.
    pub amount: u64,
}

/// A budget, and how much of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStanding {
    /// The budget.
    pub budget: Budget,
    /// What was used in the period that goes on.
    pub spent: u64,
    /// What is reserved for turns that are under way.
    pub reserved: u64,
}

/// The most that a turn may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens.
    pub tokens: u64,
    /// Nano-dollars; `None` if the model has no price.
    pub nano_usd: Option<u64>,
}

impl Estimate {
    /// What of it a budget counts.
    #[must_use]
    pub const fn of(&self, unit: BudgetUnit) -> Option<u64> {
        match unit {
            BudgetUnit::Tokens => Some(self.tokens),
            BudgetUnit::Usd => self.nano_usd,
        }
    }
}

/// Why a turn may not be taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The budget, and how it stands.
    pub standing: BudgetStanding,
    /// What the turn may use; `None` if the model has no price, so that nobody knows.
    pub wanted: Option<u64>,
}

impl BudgetStanding {
    /// What is left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.budget.amount.saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    /// Whether a turn fits, and why not.
    ///
    /// # Errors
    ///
    /// [`Shortfall`] if it does not.
    pub fn fits(&self, estimate: &Estimate) -> Result<u64, Box<Shortfall>> {
        let wanted = estimate.of(self.budget.unit);
        match wanted {
            Some(wanted) if wanted <= self.left() => Ok(wanted),
            _ => Err(Box::new(Shortfall { standing: self.clone(), wanted })),
        }
    }
}

impl Shortfall {
    /// The amount that would be enough for the turn.
    #[must_use]
    pub fn enough(&self) -> Option<u64> {
        let BudgetStanding { spent, reserved, .. } = self.standing;
        self.wanted.map(|wanted| spent.saturating_add(reserved).saturating_add(wanted))
    }

    /// For people: what is short, and what to do.
    #[must_use]
    pub fn message(&self) -> String {
        let BudgetStanding { budget, spent, reserved } = &self.standing;
        let shown = |amount: u64| shown(budget.unit, amount);
        let of = match &budget.scope {
            BudgetScope::User => "the budget of the user".to_owned(),
            BudgetScope::Agent(name) => format!("the budget of agent `{name}`"),
            BudgetScope::Execution(id) => format!("the budget of {id}"),
        };
        let each = match budget.period {
            BudgetPeriod::Day => " a day",
            BudgetPeriod::Month => " a month",
            BudgetPeriod::Total => "",
        };
        let (amount, id) = (shown(budget.amount), budget.id);
        let stands =
            format!("{of} is {amount}{each}, of which {} are used and {} reserved", shown(*spent), shown(*reserved));
        match (self.wanted, self.enough()) {
            (Some(wanted), Some(enough)) => {
                format!(
                    "{stands}: the next turn may take {}; set it ({id}) to {} or more",
                    shown(wanted),
                    shown(enough)
                )
            }
            _ => format!("{stands}: the model has no price, so nobody knows what the next turn costs; give it one"),
        }
    }
}

/// An amount, for people.
#[must_use]
pub fn shown(unit: BudgetUnit, amount: u64) -> String {
    match unit {
        BudgetUnit::Tokens => format!("{amount} tokens"),
        BudgetUnit::Usd => show_usd(amount),
    }
}

/// An amount as a number, for programs: tokens, or dollars.
#[must_use]
pub fn as_number(unit: BudgetUnit, amount: u64) -> f64 {
    match unit {
        #[expect(clippy::cast_precision_loss, reason = "more than 2^53 tokens are not counted one by one")]
        BudgetUnit::Tokens => amount as f64,
        BudgetUnit::Usd => as_usd(amount),
    }
}

/// The amount that a number stands for: tokens, or nano-dollars.
#[must_use]
pub fn of_number(unit: BudgetUnit, number: f64) -> u64 {
    match unit {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is meant to be cut to a whole number, and to what fits"
        )]
        BudgetUnit::Tokens => number as u64,
        BudgetUnit::Usd => as_nano_usd(number),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn standing(unit: BudgetUnit, (amount, spent, reserved): (u64, u64, u64)) -> BudgetStanding {
        let budget = Budget {
            id: BudgetId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            scope: BudgetScope::User,
            unit,
            period: BudgetPeriod::Day,
            amount,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        BudgetStanding { budget, spent, reserved }
    }

    #[test]
    fn what_is_reserved_is_not_there_for_others() {
        let estimate = Estimate { tokens: 30, nano_usd: None };

        assert_eq!(standing(BudgetUnit::Tokens, (100, 40, 30)).fits(&estimate), Ok(30));
        let short = standing(BudgetUnit::Tokens, (100, 40, 31)).fits(&estimate).unwrap_err();
        assert_eq!(short.enough(), Some(101));
        assert!(short.message().contains("set it (bud_"), "{}", short.message());
        // What a turn used beyond its reservation leaves nothing, and breaks nothing.
        assert_eq!(standing(BudgetUnit::Tokens, (100, 140, 0)).left(), 0);
        assert_eq!(standing(BudgetUnit::Tokens, (0, 0, 0)).fits(&Estimate { tokens: 0, ..estimate }), Ok(0));
    }

    #[test]
    fn a_model_without_a_price_does_not_fit_a_budget_of_money() {
        let short = standing(BudgetUnit::Usd, (100, 0, 0)).fits(&Estimate { tokens: 1, nano_usd: None }).unwrap_err();

        assert_eq!(short.wanted, None);
        assert!(short.message().contains("no price"), "{}", short.message());
    }

    #[test]
    fn a_period_begins_at_midnight_in_utc() {
        let now: DateTime<Utc> = "2026-03-31T23:59:59Z".parse().unwrap();

        assert_eq!(BudgetPeriod::Day.first_day(now), NaiveDate::from_ymd_opt(2026, 3, 31));
        assert_eq!(BudgetPeriod::Month.first_day(now), NaiveDate::from_ymd_opt(2026, 3, 1));
        assert_eq!(BudgetPeriod::Total.first_day(now), None);
    }

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        let id = ExecutionId::from_uuid(Uuid::from_u128(7));
        for scope in [BudgetScope::User, BudgetScope::Agent(Name::parse("a b").unwrap()), BudgetScope::Execution(id)] {
            assert_eq!(BudgetScope::parse(scope.word(), &scope.subject()), Some(scope));
        }
        assert_eq!(BudgetScope::parse("user", "x"), None);
        assert_eq!(BudgetScope::parse("agent", ""), None);
        assert_eq!(BudgetScope::parse("execution", "x"), None);
    }
}
