//! The parts of steps: one statement each, under the fence of their worker.

use async_trait::async_trait;
use sea_orm::{FromQueryResult, Statement};
use serde_json::Value;
use turbocat_domain::{
    id::WorkerId,
    port::{PartJournal, PartKind, PartOutcome, RepositoryError, Result, StepPart, StepPlace},
};

use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, PartValues},
    store::PgStore,
};

const ENTITY: &str = "step_part";

#[derive(FromQueryResult)]
struct PartRow {
    key: String,
    kind: String,
    data: Value,
}

#[derive(FromQueryResult)]
struct OutcomeRow {
    is_alive: bool,
    is_owned: bool,
    data: Option<Value>,
}

#[async_trait]
impl PartJournal for PgStore {
    #[tracing::instrument(name = "db.step_parts.list", level = "debug", skip_all, err(level = "debug"))]
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        let statement = sql::list_step_parts(step.execution_id.as_uuid(), &step.path);
        let rows = PartRow::find_by_statement(statement).all(self.db()).await.about(ENTITY)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    #[tracing::instrument(name = "db.step_parts.record", level = "debug", skip_all, err(level = "debug"))]
    async fn record_part(&self, worker: WorkerId, step: &StepPlace, part: &StepPart) -> Result<PartOutcome> {
        const REPEATS_MAX: u32 = 3;
        let statement = sql::record_step_part(PartValues {
            worker: worker.as_uuid(),
            execution: step.execution_id.as_uuid(),
            path: &step.path,
            key: &part.key,
            kind: part.kind.as_str(),
            data: part.data.to_string(),
        });
        for _ in 0..REPEATS_MAX {
            if let Some(outcome) = self.record_once(statement.clone()).await? {
                return Ok(outcome);
            }
        }
        Err(RepositoryError::Conflict { entity: ENTITY })
    }
}

impl PgStore {
    /// `None` if another session recorded under the same key while the statement ran.
    async fn record_once(&self, statement: Statement) -> Result<Option<PartOutcome>> {
        let row = OutcomeRow::find_by_statement(statement).one(self.db()).await.about(ENTITY)?;
        let row = Read(ENTITY).required(row, "is_alive")?;
        Ok(match row {
            OutcomeRow { is_alive: false, .. } => Some(PartOutcome::Fenced),
            OutcomeRow { is_owned: false, .. } => Some(PartOutcome::NotOwned),
            OutcomeRow { data, .. } => data.map(PartOutcome::Stands),
        })
    }
}

impl TryFrom<PartRow> for StepPart {
    type Error = RepositoryError;

    fn try_from(row: PartRow) -> Result<Self> {
        let kind = PartKind::parse(&row.kind);
        let kind = kind.ok_or_else(|| Read(ENTITY).corrupt(format!("`{}` is no kind of a part", row.kind)))?;
        Ok(Self { key: row.key, kind, data: row.data })
    }
}
