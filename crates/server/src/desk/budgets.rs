//! Budgets and usage.

use futures_util::TryStreamExt;
use turbocat_application::{NewBudget as Wanted, UsageRequest};
use turbocat_client::{Budget, BudgetQuery, NewBudget, UsageQuery, UsageRow};
use turbocat_domain::{
    budget::{BudgetScope, as_number},
    id::{BudgetId, UserId},
    port::PageRequest,
};

use super::{Desk, Office, origin, seen, seen_all};

/// The most budgets that are read at once.
const PAGE: u16 = 200;

impl Desk {
    /// Sets a budget.
    pub(crate) async fn set_budget(&self, wanted: Wanted) -> anyhow::Result<Budget> {
        match self {
            Self::Database(office) => {
                seen(office.app.use_cases.on_behalf_of(&origin()).set_budget(office.actor, wanted).await?)
            }
            Self::Server(client) => {
                let Wanted { scope, unit, period, amount, owner } = wanted;
                let subject = match &scope {
                    BudgetScope::User => None,
                    BudgetScope::Agent(name) => Some(name.to_string()),
                    BudgetScope::Execution(id) => Some(id.to_string()),
                };
                let (scope, amount) = (scope.word().to_owned(), as_number(unit, amount));
                let wanted = NewBudget { scope, subject, unit, period, amount, user_id: owner };
                Ok(client.set_budget(&wanted).await?)
            }
        }
    }

    /// All budgets of a user, or of everybody whom one sees, the newest first.
    pub(crate) async fn budgets(&self, owner: Option<UserId>) -> anyhow::Result<Vec<Budget>> {
        match self {
            Self::Database(office) => office.budgets(owner).await,
            Self::Server(client) => {
                let query = BudgetQuery { user_id: owner, limit: Some(PAGE), after: None };
                Ok(client.all_budgets(query).try_collect().await?)
            }
        }
    }

    /// Deletes a budget.
    pub(crate) async fn delete_budget(&self, id: BudgetId) -> anyhow::Result<()> {
        match self {
            Self::Database(office) => {
                Ok(office.app.use_cases.on_behalf_of(&origin()).delete_budget(office.actor, id).await?)
            }
            Self::Server(client) => Ok(client.delete_budget(id).await?),
        }
    }

    /// What language models used, group by group.
    pub(crate) async fn usage(&self, wanted: UsageRequest) -> anyhow::Result<Vec<UsageRow>> {
        match self {
            Self::Database(office) => seen_all(office.app.use_cases.usage(office.actor, wanted).await?),
            Self::Server(client) => {
                let UsageRequest { owner, from, to, agent, group, limit } = wanted;
                let agent = agent.map(|name| name.to_string());
                let query = UsageQuery { group: Some(group), from, to, agent, user_id: owner, limit: Some(limit) };
                Ok(client.usage(&query).await?)
            }
        }
    }
}

impl Office {
    async fn budgets(&self, owner: Option<UserId>) -> anyhow::Result<Vec<Budget>> {
        let (mut all, mut page) = (Vec::new(), PageRequest { limit: PAGE, after: None });
        loop {
            let found = self.app.use_cases.budgets(self.actor, owner, page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page.after = Some(next),
                None => return seen_all(all),
            }
        }
    }
}
