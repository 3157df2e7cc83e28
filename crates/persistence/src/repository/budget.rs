//! The budgets, and how they stand.

use std::collections::HashMap;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QuerySelect};
use turbocat_domain::{
    budget::{Budget, BudgetScope, BudgetStanding},
    id::{BudgetId, UserId},
    port::{BudgetQueries, BudgetRepository, Page, PageRequest, RepositoryError, Result},
};
use uuid::Uuid;

use super::{execution::tell_all, found};
use crate::{
    convert::{Read, fit},
    entity::budget::{Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    sql::{self, BudgetValues},
    store::Pg,
};

const ENTITY: &str = "budget";

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct StandingRow {
    id: Uuid,
    spent: Option<i64>,
    reserved: Option<i64>,
}

#[async_trait]
impl<C: ConnectionTrait + Send> BudgetRepository for Pg<C> {
    #[tracing::instrument(name = "db.budgets.put", skip_all, err(level = "debug"))]
    async fn put(&mut self, budget: &Budget) -> Result<BudgetId> {
        self.settle(put(self.usable()?, budget).await)
    }

    #[tracing::instrument(name = "db.budgets.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: BudgetId) -> Result<()> {
        self.settle(delete(self.usable()?, id.as_uuid()).await)
    }
}

async fn put(conn: &impl ConnectionTrait, budget: &Budget) -> Result<BudgetId> {
    let values = BudgetValues {
        id: budget.id.as_uuid(),
        user_id: budget.user_id.as_uuid(),
        scope: budget.scope.word(),
        subject: budget.scope.subject(),
        unit: budget.unit.as_str(),
        period: budget.period.as_str(),
        amount: fit(budget.amount)?,
        now: budget.updated_at.naive_utc(),
    };
    let row = IdRow::find_by_statement(sql::put_budget(values)).one(conn).await.about(ENTITY)?;
    let id = found(row, ENTITY)?.id;
    wake(conn, id).await?;
    Ok(BudgetId::from_uuid(id))
}

/// Wakes what waits for a budget, and tells who works.
async fn wake(conn: &impl ConnectionTrait, id: Uuid) -> Result<()> {
    let woken = conn.execute_raw(sql::wake_for_budget(id)).await.about(ENTITY)?;
    if woken.rows_affected() > 0 { tell_all(conn).await } else { Ok(()) }
}

async fn delete(conn: &impl ConnectionTrait, id: Uuid) -> Result<()> {
    // Locked first: who is about to wait for it has done so, or finds it gone.
    found(Entity::find_by_id(id).lock_exclusive().one(conn).await.about(ENTITY)?, ENTITY)?;
    wake(conn, id).await?;
    Entity::delete_by_id(id).exec(conn).await.about(ENTITY)?;
    Ok(())
}

#[async_trait]
impl<C: ConnectionTrait + Send> BudgetQueries for Pg<C> {
    async fn get(&self, id: BudgetId) -> Result<BudgetStanding> {
        let row = found(Entity::find_by_id(id.as_uuid()).one(&self.conn).await.about(ENTITY)?, ENTITY)?;
        let standing = standings(&self.conn, vec![row.try_into()?], None).await?.pop();
        found(standing, ENTITY)
    }

    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<BudgetStanding>> {
        let listing = Listing {
            entity: ENTITY,
            columns: (Column::CreatedAt, Column::Id),
            key: |row: &Model| (row.created_at, row.id),
            order: Order::Desc,
        };
        let mut query = Entity::find();
        if let Some(user) = user {
            query = query.filter(Column::UserId.eq(user.as_uuid()));
        }
        let Page { items, next } = listing.page(&self.conn, query, page).await?;
        Ok(Page { items: standings(&self.conn, items, None).await?, next })
    }
}

/// How budgets stand, but for what is reserved for this turn.
pub(crate) async fn standings(
    conn: &impl ConnectionTrait,
    budgets: Vec<Budget>,
    but: Option<(Uuid, &str, &str)>,
) -> Result<Vec<BudgetStanding>> {
    let ids = budgets.iter().map(|budget| budget.id.as_uuid()).collect();
    let rows = StandingRow::find_by_statement(sql::list_budget_standings(ids, but)).all(conn).await.about(ENTITY)?;
    let rows: HashMap<Uuid, StandingRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let read = Read(ENTITY);
    // One that was deleted meanwhile is left out.
    let standing = budgets.into_iter().filter_map(|budget| {
        let row = rows.get(&budget.id.as_uuid())?;
        let (spent, reserved) = (row.spent.unwrap_or_default(), row.reserved.unwrap_or_default());
        Some(read.number(spent).and_then(|spent| {
            let reserved = read.number(reserved)?;
            Ok(BudgetStanding { budget, spent, reserved })
        }))
    });
    standing.collect()
}

impl TryFrom<Model> for Budget {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        let scope = BudgetScope::parse(&row.scope, &row.subject);
        let scope = scope.ok_or_else(|| read.corrupt(format!("`{}` `{}` is no scope", row.scope, row.subject)))?;
        Ok(Self {
            id: BudgetId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            scope,
            unit: read.text(row.unit)?,
            period: read.text(row.period)?,
            amount: read.number(row.amount)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
        })
    }
}
