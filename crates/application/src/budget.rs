//! Budgets of language models, and what these used.

use chrono::{Days, NaiveDate};
use turbocat_domain::{
    budget::{AMOUNT_MAX, Budget, BudgetPeriod, BudgetScope, BudgetStanding, BudgetUnit},
    id::{BudgetId, ExecutionId, UserId},
    permission::Permission,
    port::{Page, PageRequest, UsageFilter, UsageRow},
    problem::Problems,
    usage::{UsageGroup, UsageSum},
    value::Name,
};

use crate::{
    Actor, Error, Result, UseCases,
    audit::{Audited, Changes},
    library::{missing, named},
};

const BUDGET: &str = "budget";
/// How many days are looked at if none are named.
const DAYS_SHOWN: Days = Days::new(30);
/// The most days that are summed at once.
const DAYS_MAX: i64 = 3_660;

/// A budget that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBudget {
    /// What it is for.
    pub scope: BudgetScope,
    /// What it counts.
    pub unit: BudgetUnit,
    /// For how long it is.
    pub period: BudgetPeriod,
    /// How much may be used: tokens or nano-dollars.
    pub amount: u64,
    /// Whose executions it is for; who asks, unless an administrator names another. Of an execution, its owner.
    pub owner: Option<UserId>,
}

/// Which usage is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRequest {
    /// Whose; of who asks, or of all for an administrator.
    pub owner: Option<UserId>,
    /// From this day on; 30 days before the last without.
    pub from: Option<NaiveDate>,
    /// To this day, with it; today without.
    pub to: Option<NaiveDate>,
    /// Only of this agent.
    pub agent: Option<Name>,
    /// By what it is summed.
    pub group: UsageGroup,
    /// The most groups.
    pub limit: u16,
}

impl UseCases {
    /// Sets a budget; one of the same kind gets the new amount. What waits for it goes on if it fits now.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for a budget of a user, which is an administrator's to set; [`Error::NotFound`] if there is
    /// no such user or execution; [`Error::Invalid`].
    pub async fn set_budget(&self, actor: Actor, wanted: NewBudget) -> Result<BudgetStanding> {
        actor.ensure(Permission::BudgetsWrite)?;
        check(&wanted)?;
        let owner = self.budget_owner(actor, &wanted).await?;
        ensure_may_set(actor, &wanted.scope)?;
        let now = self.ports.clock.now();
        let NewBudget { scope, unit, period, amount, .. } = wanted;
        let id = BudgetId::from_uuid(self.ports.ids.next());
        let budget = Budget { id, user_id: owner, scope, unit, period, amount, created_at: now, updated_at: now };
        let mut uow = self.ports.store.begin().await?;
        let id = uow.budgets().put(&budget).await?;
        let entry = Audited {
            user: Some(actor.id),
            action: "budget.set",
            resource_type: BUDGET,
            resource: Some(id.as_uuid()),
            changes: Changes::default()
                .field("scope", (), budget.scope.word())
                .field("subject", (), budget.scope.subject())
                .field("unit", (), unit.as_str())
                .field("period", (), period.as_str())
                .field("amount", (), amount)
                .field("user_id", (), owner.to_string()),
        };
        self.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        Ok(self.ports.queries.budgets().get(id).await?)
    }

    /// A page of budgets: of this user, of who asks, or of all for an administrator who names nobody.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for somebody else's.
    pub async fn budgets(
        &self,
        actor: Actor,
        owner: Option<UserId>,
        page: PageRequest,
    ) -> Result<Page<BudgetStanding>> {
        actor.ensure(Permission::BudgetsRead)?;
        let owner = looked_at(actor, owner)?;
        Ok(self.ports.queries.budgets().list(owner, page).await?)
    }

    /// A budget, and how it stands.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn budget(&self, actor: Actor, id: BudgetId) -> Result<BudgetStanding> {
        actor.ensure(Permission::BudgetsRead)?;
        self.stored_budget(actor, id).await
    }

    /// Deletes a budget: what waits for it goes on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's; [`Error::Forbidden`] for that of a user, unless
    /// an administrator asks.
    pub async fn delete_budget(&self, actor: Actor, id: BudgetId) -> Result<()> {
        actor.ensure(Permission::BudgetsWrite)?;
        let budget = self.stored_budget(actor, id).await?.budget;
        ensure_may_set(actor, &budget.scope)?;
        let mut uow = self.ports.store.begin().await?;
        uow.budgets().delete(id).await.map_err(|error| named(error, BUDGET, id))?;
        let entry = Audited {
            user: Some(actor.id),
            action: "budget.deleted",
            resource_type: BUDGET,
            resource: Some(id.as_uuid()),
            changes: Changes::default().field("amount", budget.amount, ()),
        };
        self.note(uow.as_mut(), entry, self.ports.clock.now()).await?;
        Ok(uow.commit().await?)
    }

    /// What models used, summed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for somebody else's; [`Error::Invalid`] if the days are in the wrong order or too many.
    pub async fn usage(&self, actor: Actor, wanted: UsageRequest) -> Result<Vec<UsageRow>> {
        actor.ensure(Permission::UsageRead)?;
        let UsageRequest { owner, from, to, agent, group, limit } = wanted;
        let to = to.unwrap_or_else(|| self.ports.clock.now().date_naive());
        let from = from.or_else(|| to.checked_sub_days(DAYS_SHOWN)).unwrap_or(to);
        if !(0..=DAYS_MAX).contains(&(to - from).num_days()) {
            let message = format!("it must lie 0 to {DAYS_MAX} days after `from`, which is {from}");
            return Err(invalid("to", message));
        }
        let filter = UsageFilter { user: looked_at(actor, owner)?, from, to, agent };
        Ok(self.ports.queries.usage().sums(&filter, group, limit).await?)
    }

    /// What an execution used, with all that it started, and what each of its own steps did.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn execution_usage(&self, actor: Actor, id: ExecutionId) -> Result<(UsageSum, Vec<UsageRow>)> {
        actor.ensure(Permission::UsageRead)?;
        let execution = self.stored_execution(actor, id).await?;
        Ok(self.ports.queries.usage().of_execution(execution.id).await?)
    }

    async fn stored_budget(&self, actor: Actor, id: BudgetId) -> Result<BudgetStanding> {
        match self.ports.queries.budgets().get(id).await {
            Ok(found) if actor.sees(found.budget.user_id) => Ok(found),
            Ok(_) => Err(missing(BUDGET, id)),
            Err(error) => Err(named(error, BUDGET, id)),
        }
    }

    async fn budget_owner(&self, actor: Actor, wanted: &NewBudget) -> Result<UserId> {
        if let BudgetScope::Execution(id) = &wanted.scope {
            return Ok(self.stored_execution(actor, *id).await?.user_id);
        }
        let owner = wanted.owner.unwrap_or(actor.id);
        if !actor.sees(owner) {
            return Err(missing("user", owner));
        }
        match self.ports.queries.users().get(owner).await {
            Ok(user) => Ok(user.id),
            Err(error) => Err(named(error, "user", owner)),
        }
    }
}

/// What holds a user back is not the user's to raise.
fn ensure_may_set(actor: Actor, scope: &BudgetScope) -> Result<()> {
    if *scope == BudgetScope::User && !actor.sees_all() {
        return Err(Error::Forbidden { permission: Permission::BudgetsWrite });
    }
    Ok(())
}

/// Whose things are looked at; `None` for everybody's.
fn looked_at(actor: Actor, owner: Option<UserId>) -> Result<Option<UserId>> {
    match owner {
        Some(owner) if !actor.sees(owner) => Err(missing("user", owner)),
        Some(owner) => Ok(Some(owner)),
        None if actor.sees_all() => Ok(None),
        None => Ok(Some(actor.id)),
    }
}

fn check(wanted: &NewBudget) -> Result<()> {
    if wanted.amount > AMOUNT_MAX {
        return Err(invalid("amount", format!("it must be at most {AMOUNT_MAX}")));
    }
    if matches!(wanted.scope, BudgetScope::Execution(_)) && wanted.period != BudgetPeriod::Total {
        return Err(invalid("period", "that of an execution must be `total`: it is for all that it does".to_owned()));
    }
    Ok(())
}

fn invalid(field: &str, message: String) -> Error {
    let mut problems = Problems::default();
    problems.add("invalid_field", field, message);
    Error::Invalid(problems)
}
