//! Reads budgets, and what models used.

use std::{cmp::Reverse, collections::BTreeMap};

use async_trait::async_trait;
use turbocat_domain::{
    budget::{Budget, BudgetStanding},
    id::{BudgetId, ExecutionId, UserId},
    port::{BudgetQueries, Cursor, Page, PageRequest, RepositoryError, Result, UsageFilter, UsageQueries, UsageRow},
    usage::{UsageGroup, UsageSum},
};

use super::super::{MemoryStore, page, usage::Charged};

#[async_trait]
impl BudgetQueries for MemoryStore {
    async fn get(&self, id: BudgetId) -> Result<BudgetStanding> {
        let (now, state) = (self.now(), self.state());
        let budget = state.tables.budgets.get(&id).cloned().ok_or(RepositoryError::NotFound { entity: "budget" })?;
        Ok(state.standing(budget, None, now))
    }

    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<BudgetStanding>> {
        let (now, state) = (self.now(), self.state());
        let budgets = state.tables.budgets.values().filter(|budget| user.is_none_or(|user| budget.user_id == user));
        let cursor = |budget: &&Budget| Cursor { created_at: budget.created_at, id: budget.id.as_uuid() };
        let Page { items, next } = page::newest_first(budgets, cursor, page);
        Ok(Page { items: items.into_iter().map(|budget| state.standing(budget.clone(), None, now)).collect(), next })
    }
}

#[async_trait]
impl UsageQueries for MemoryStore {
    async fn sums(&self, filter: &UsageFilter, group: UsageGroup, limit: u16) -> Result<Vec<UsageRow>> {
        let state = self.state();
        let mut sums: BTreeMap<String, UsageSum> = BTreeMap::new();
        for one in state.engine.usage.charged.iter().filter(|one| counts(filter, one)) {
            sums.entry(key(one, group)).or_default().add(&one.charge);
        }
        let mut rows: Vec<UsageRow> = sums.into_iter().map(|(key, sum)| UsageRow { key, sum }).collect();
        if group != UsageGroup::Day {
            rows.sort_by_key(|row| Reverse((row.sum.nano_usd, row.sum.tokens.total())));
        }
        rows.truncate(usize::from(limit));
        Ok(rows)
    }

    async fn of_execution(&self, id: ExecutionId) -> Result<(UsageSum, Vec<UsageRow>)> {
        let state = self.state();
        let usage = &state.engine.usage;
        let steps = usage.steps.get(&id).into_iter().flatten();
        let steps = steps.map(|(path, sum)| UsageRow { key: path.clone(), sum: *sum });
        Ok((usage.executions.get(&id).copied().unwrap_or_default(), steps.collect()))
    }
}

fn counts(filter: &UsageFilter, one: &Charged) -> bool {
    filter.user.is_none_or(|user| one.user_id == user)
        && (filter.from..=filter.to).contains(&one.at.date_naive())
        && filter.agent.as_ref().is_none_or(|agent| one.charge.agent_name == *agent)
}

fn key(one: &Charged, group: UsageGroup) -> String {
    match group {
        UsageGroup::Day => one.at.date_naive().to_string(),
        UsageGroup::Agent => one.charge.agent_name.to_string(),
        UsageGroup::Workflow => one.workflow_id.as_uuid().to_string(),
        UsageGroup::Model => format!("{}/{}", one.charge.provider, one.charge.model),
        UsageGroup::User => one.user_id.as_uuid().to_string(),
    }
}
