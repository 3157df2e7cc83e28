//! The budgets, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use turbocat_domain::{
    budget::Budget,
    id::BudgetId,
    port::{BudgetRepository, RepositoryError, Result},
};

use super::super::{tables::Tables, unit_of_work::MemoryUnitOfWork};

const ENTITY: &str = "budget";

#[async_trait]
impl BudgetRepository for MemoryUnitOfWork {
    async fn put(&mut self, budget: &Budget) -> Result<BudgetId> {
        let wanted = budget.clone();
        self.apply(move |tables| tables.put_budget(&wanted))?;
        let found = self.view.budgets.values().find(|other| is_same(other, budget)).map(|found| found.id);
        let id = found.ok_or(RepositoryError::NotFound { entity: ENTITY })?;
        self.budgets.push(id);
        Ok(id)
    }

    async fn delete(&mut self, id: BudgetId) -> Result<()> {
        self.apply(move |tables| {
            let deleted = Arc::make_mut(&mut tables.budgets).remove(&id);
            deleted.map(drop).ok_or(RepositoryError::NotFound { entity: ENTITY })
        })?;
        self.budgets.push(id);
        Ok(())
    }
}

fn is_same(one: &Budget, other: &Budget) -> bool {
    (one.user_id, &one.scope, one.unit, one.period) == (other.user_id, &other.scope, other.unit, other.period)
}

impl Tables {
    fn put_budget(&mut self, budget: &Budget) -> Result<()> {
        if !self.users.contains(budget.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let budgets = Arc::make_mut(&mut self.budgets);
        let standing = budgets.values().find(|other| is_same(other, budget)).cloned();
        let put = match standing {
            Some(before) => Budget { id: before.id, created_at: before.created_at, ..budget.clone() },
            None => Budget { created_at: budget.updated_at, ..budget.clone() },
        };
        budgets.insert(put.id, put);
        Ok(())
    }
}
