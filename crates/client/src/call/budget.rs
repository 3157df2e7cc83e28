//! Budgets and usage.

use futures_util::Stream;
use turbocat_domain::id::{BudgetId, ExecutionId};

use crate::{
    Budget, BudgetQuery, Client, Error, ExecutionUsage, NewBudget, Page, UsageQuery, UsageRow, UsageRows,
    client::Call,
    operation::{DELETE_BUDGET, LIST_BUDGETS, SET_BUDGET, SHOW_BUDGET, SHOW_EXECUTION_USAGE, SUM_USAGE},
    page,
};

impl Client {
    /// Sets a budget. One of the same user, scope, subject, unit and period gets the new amount, and keeps its id.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`, `not_found` for the execution.
    pub async fn set_budget(&self, wanted: &NewBudget) -> Result<Budget, Error> {
        self.ask(Call::new(SET_BUDGET).json(wanted)?).await
    }

    /// A page of budgets and how they stand, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn budgets(&self, query: &BudgetQuery) -> Result<Page<Budget>, Error> {
        self.list(Call::new(LIST_BUDGETS), query).await
    }

    /// All of them, page after page.
    pub fn all_budgets(&self, query: BudgetQuery) -> impl Stream<Item = Result<Budget, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.budgets(&query).await }
        })
    }

    /// A budget, and how it stands.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn budget(&self, id: BudgetId) -> Result<Budget, Error> {
        self.ask(Call::about(SHOW_BUDGET, id)).await
    }

    /// Deletes a budget: executions that wait for it go on.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn delete_budget(&self, id: BudgetId) -> Result<(), Error> {
        self.send(Call::about(DELETE_BUDGET, id)).await.map(drop)
    }

    /// What language models used, group by group.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid` if the days are in the wrong order.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, Error> {
        let rows: UsageRows = self.ask(Call::new(SUM_USAGE).query(query)?).await?;
        Ok(rows.items)
    }

    /// What the language models of an execution used, in all and by step.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn execution_usage(&self, id: ExecutionId) -> Result<ExecutionUsage, Error> {
        self.ask(Call::about(SHOW_EXECUTION_USAGE, id)).await
    }
}
