//! What models used, held against budgets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    budget::{Budget, BudgetLimit, BudgetPeriod, BudgetScope, BudgetStanding, BudgetUnit},
    id::{BudgetId, ExecutionId, UserId, WorkflowId},
    port::{BudgetLedger, RepositoryError, Reservation, ReserveOutcome, Result, StepPlace},
    usage::{Charge, UsageSum},
};
use uuid::Uuid;

use super::{MemoryStore, State, engine::Engine};

/// A turn that is under way: its step and its key.
type Turn = (StepPlace, String);

/// A turn that was charged, for the sums that outlive executions.
pub(super) struct Charged {
    pub(super) user_id: UserId,
    pub(super) workflow_id: WorkflowId,
    pub(super) at: DateTime<Utc>,
    pub(super) charge: Charge,
}

/// The ledger.
#[derive(Default)]
pub(super) struct Usage {
    pub(super) charged: Vec<Charged>,
    /// The sums of executions, with all that they started.
    pub(super) executions: HashMap<ExecutionId, UsageSum>,
    /// The sums of their own steps, by path.
    pub(super) steps: HashMap<ExecutionId, BTreeMap<String, UsageSum>>,
    reserved: BTreeMap<BudgetId, HashMap<Turn, u64>>,
    waits: BTreeSet<(BudgetId, ExecutionId)>,
}

impl Usage {
    /// Forgets an execution; the sums of days stay.
    pub(super) fn delete(&mut self, id: ExecutionId) {
        self.executions.remove(&id);
        self.steps.remove(&id);
        self.waits.retain(|(_, waiting)| *waiting != id);
        for turns in self.reserved.values_mut() {
            turns.retain(|(place, _), _| place.execution_id != id);
        }
    }

    /// Who waits for a budget.
    pub(super) fn waiting_for(&self, budget: BudgetId) -> Vec<ExecutionId> {
        self.waits.iter().filter(|(id, _)| *id == budget).map(|(_, execution)| *execution).collect()
    }

    /// Forgets a budget.
    pub(super) fn forget(&mut self, budget: BudgetId) {
        self.reserved.remove(&budget);
        self.waits.retain(|(id, _)| *id != budget);
    }

    fn release(&mut self, turn: &Turn) {
        for turns in self.reserved.values_mut() {
            turns.remove(turn);
        }
    }
}

impl Engine {
    /// Settles the reservations of a turn that is recorded.
    pub(super) fn settle(&mut self, place: &StepPlace, key: &str) {
        self.usage.release(&(place.clone(), key.to_owned()));
    }

    /// Charges a turn.
    pub(super) fn charge(&mut self, place: &StepPlace, charge: &Charge, at: DateTime<Utc>) {
        let Some(row) = self.executions.get(&place.execution_id) else { return };
        let (user_id, workflow_id) = (row.execution.user_id, row.execution.workflow_id);
        self.usage.charged.push(Charged { user_id, workflow_id, at, charge: charge.clone() });
        let steps = self.usage.steps.entry(place.execution_id).or_default();
        steps.entry(place.path.clone()).or_default().add(charge);
        for id in self.lineage(place.execution_id) {
            self.usage.executions.entry(id).or_default().add(charge);
        }
    }

    /// An execution, and those that started it.
    fn lineage(&self, id: ExecutionId) -> Vec<ExecutionId> {
        let parent = |id: &ExecutionId| {
            let row = self.executions.get(id)?;
            row.execution.parent.as_ref().map(|(parent, _)| *parent)
        };
        std::iter::successors(Some(id), parent).collect()
    }
}

impl State {
    /// How a budget stands, but for what is reserved for this turn.
    pub(super) fn standing(&self, budget: Budget, but: Option<&Turn>, now: DateTime<Utc>) -> BudgetStanding {
        let usage = &self.engine.usage;
        let sum = match &budget.scope {
            BudgetScope::Execution(id) => usage.executions.get(id).copied().unwrap_or_default(),
            scope => {
                let first_day = budget.period.first_day(now);
                let counts = |one: &&Charged| {
                    one.user_id == budget.user_id
                        && first_day.is_none_or(|day| one.at.date_naive() >= day)
                        && match scope {
                            BudgetScope::Agent(name) => one.charge.agent_name == *name,
                            _ => true,
                        }
                };
                let mut sum = UsageSum::default();
                usage.charged.iter().filter(counts).for_each(|one| sum.add(&one.charge));
                sum
            }
        };
        let spent = match budget.unit {
            BudgetUnit::Tokens => sum.tokens.total(),
            BudgetUnit::Usd => sum.nano_usd,
        };
        let is_live =
            |id: &ExecutionId| self.engine.executions.get(id).is_some_and(|row| !row.execution.status.is_terminal());
        let turns = usage.reserved.get(&budget.id).into_iter().flatten();
        let counts = turns.filter(|(turn, _)| is_live(&turn.0.execution_id) && but.is_none_or(|but| but != *turn));
        let reserved = counts.map(|(_, amount)| amount).sum();
        BudgetStanding { budget, spent, reserved }
    }

    fn reserve(&mut self, turn: &Turn, wanted: &Reservation, now: DateTime<Utc>) -> Result<ReserveOutcome> {
        let lineage = self.engine.lineage(turn.0.execution_id);
        let user = self.engine.user_of(turn.0.execution_id).ok_or(RepositoryError::NotFound { entity: "execution" })?;
        let applies = |budget: &&Budget| match &budget.scope {
            BudgetScope::User => budget.user_id == user,
            BudgetScope::Agent(name) => budget.user_id == user && *name == wanted.agent_name,
            BudgetScope::Execution(id) => lineage.contains(id),
        };
        let budgets: Vec<Budget> = self.tables.budgets.values().filter(applies).cloned().collect();
        let standings = budgets.into_iter().map(|budget| self.standing(budget, Some(turn), now));
        let fits: std::result::Result<Vec<_>, _> = standings
            .map(|standing| standing.fits(&wanted.estimate).map(|amount| (standing.budget.id, amount)))
            .collect();
        let usage = &mut self.engine.usage;
        usage.release(turn);
        match fits {
            Ok(amounts) => {
                for (budget, amount) in amounts {
                    usage.reserved.entry(budget).or_default().insert(turn.clone(), amount);
                    usage.waits.remove(&(budget, turn.0.execution_id));
                }
                Ok(ReserveOutcome::Reserved)
            }
            Err(short) => {
                usage.waits.insert((short.standing.budget.id, turn.0.execution_id));
                Ok(ReserveOutcome::Short(short))
            }
        }
    }

    /// Wakes who waits for a budget that was set or deleted.
    pub(super) fn wake_for_budget(&mut self, id: BudgetId, now: DateTime<Utc>) {
        for execution in self.engine.usage.waiting_for(id) {
            self.engine.wake(execution, now);
        }
        if !self.tables.budgets.contains_key(&id) {
            self.engine.usage.forget(id);
        }
    }

    /// Gives an execution the budgets that its workflow sets, where it has none of the kind.
    fn set_limits(&mut self, id: ExecutionId, limits: &[BudgetLimit], now: DateTime<Utc>) {
        let Some(user_id) = self.engine.user_of(id) else { return };
        for limit in limits {
            let scope = BudgetScope::Execution(id);
            let is_same = |budget: &Budget| {
                budget.scope == scope && budget.unit == limit.unit && budget.period == BudgetPeriod::Total
            };
            if self.tables.budgets.values().any(is_same) {
                continue;
            }
            let raw = id.as_uuid().as_u128() ^ (limit.unit as u128 + 1);
            let budget = Budget {
                id: BudgetId::from_uuid(Uuid::from_u128(raw)),
                user_id,
                scope,
                unit: limit.unit,
                period: BudgetPeriod::Total,
                amount: limit.amount,
                created_at: now,
                updated_at: now,
            };
            std::sync::Arc::make_mut(&mut self.tables.budgets).insert(budget.id, budget);
            self.commits += 1;
        }
    }
}

#[async_trait]
impl BudgetLedger for MemoryStore {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        let (now, mut state) = (self.now(), self.state());
        state.set_limits(step.execution_id, limits, now);
        state.reserve(&(step.clone(), wanted.key.clone()), wanted, now)
    }
}
