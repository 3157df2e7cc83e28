//! Turns held against budgets, under the locks of these.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use turbocat_domain::{
    budget::{Budget, BudgetLimit, Shortfall},
    port::{BudgetLedger, Reservation, ReserveOutcome, Result, StepPlace},
};
use uuid::Uuid;

use crate::{
    convert::fit, entity::budget::Model, error::ErrorContext, repository::standings, sql, store::PgStore, transaction,
};

const ENTITY: &str = "budget";

#[async_trait]
impl BudgetLedger for PgStore {
    #[tracing::instrument(name = "db.budgets.reserve", level = "debug", skip_all, err(level = "debug"))]
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        let (store, step, wanted, limits) = (self.clone(), step.clone(), wanted.clone(), limits.to_vec());
        transaction::detached(async move {
            if limits.is_empty() && !any_applies(store.db(), &step, &wanted).await? {
                return Ok(ReserveOutcome::Reserved);
            }
            let tx = transaction::begin(store.db()).await?;
            let outcome = reserve(&tx, &step, (&wanted, &limits)).await?;
            transaction::commit(tx).await?;
            Ok(outcome)
        })
        .await
    }
}

/// Whether a budget applies at all, which is rare.
async fn any_applies(conn: &impl ConnectionTrait, step: &StepPlace, wanted: &Reservation) -> Result<bool> {
    let statement = sql::lock_budgets(step.execution_id.as_uuid(), wanted.agent_name.as_str());
    Ok(conn.query_one_raw(statement).await.about(ENTITY)?.is_some())
}

async fn reserve(
    tx: &DatabaseTransaction,
    step: &StepPlace,
    (wanted, limits): (&Reservation, &[BudgetLimit]),
) -> Result<ReserveOutcome> {
    let id = step.execution_id.as_uuid();
    if !limits.is_empty() {
        let units = limits.iter().map(|limit| limit.unit.as_str().to_owned()).collect();
        let amounts = limits.iter().map(|limit| fit(limit.amount)).collect::<Result<_>>()?;
        tx.execute_raw(sql::insert_execution_budgets(id, units, amounts)).await.about(ENTITY)?;
    }
    let locked = Model::find_by_statement(sql::lock_budgets(id, wanted.agent_name.as_str()));
    let locked = locked.all(tx).await.about(ENTITY)?;
    let budgets = locked.into_iter().map(Budget::try_from).collect::<Result<Vec<_>>>()?;
    if budgets.is_empty() {
        return Ok(ReserveOutcome::Reserved);
    }
    let turn = (id, step.path.as_str(), wanted.key.as_str());
    let standings = standings(tx, budgets, Some(turn)).await?;
    let fits: std::result::Result<Vec<u64>, Box<Shortfall>> =
        standings.iter().map(|standing| standing.fits(&wanted.estimate)).collect();
    let (statement, outcome) = match fits {
        Ok(amounts) => {
            let ids: Vec<Uuid> = standings.iter().map(|standing| standing.budget.id.as_uuid()).collect();
            let amounts = amounts.into_iter().map(fit).collect::<Result<_>>()?;
            (sql::reserve_budgets(ids, turn, amounts), ReserveOutcome::Reserved)
        }
        Err(short) => (sql::wait_for_budget(short.standing.budget.id.as_uuid(), turn), ReserveOutcome::Short(short)),
    };
    tx.execute_raw(statement).await.about(ENTITY)?;
    Ok(outcome)
}
