//! The parts of steps: one statement each, under the fence of their worker.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::{Value, json};
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{
        Cursor, Page, PageRequest, PartJournal, PartKind, PartOutcome, PartRecord, RepositoryError, Result, StepPart,
        StepPlace,
    },
    usage::Charge,
};
use uuid::Uuid;

use crate::{
    convert::Read,
    error::ErrorContext,
    page::LIMIT_MAX,
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

#[derive(FromQueryResult)]
struct RecordRow {
    path: String,
    key: String,
    kind: String,
    seq: i64,
    recorded_at: NaiveDateTime,
    data: Value,
}

/// A page of the parts of an execution, in their order.
pub(crate) async fn list_parts(
    conn: &impl ConnectionTrait,
    id: ExecutionId,
    page: PageRequest,
) -> Result<Page<PartRecord>> {
    let limit = page.limit.clamp(1, LIMIT_MAX);
    // A place that is past all places has nothing behind it.
    let after = page.after.map_or(0, |cursor| i64::try_from(cursor.id.as_u128()).unwrap_or(i64::MAX));
    let members = StepPart::SUMMARY.map(str::to_owned).to_vec();
    let statement = sql::list_execution_parts(id.as_uuid(), after, i64::from(limit) + 1, members);
    let mut rows = RecordRow::find_by_statement(statement).all(conn).await.about(ENTITY)?;
    let has_more = rows.len() > usize::from(limit);
    rows.truncate(usize::from(limit));
    let items = rows.into_iter().map(PartRecord::try_from).collect::<Result<Vec<_>>>()?;
    let next = items.last().filter(|_| has_more);
    let next = next.map(|last| Cursor { created_at: last.recorded_at, id: Uuid::from_u128(u128::from(last.seq)) });
    Ok(Page { items, next })
}

impl TryFrom<RecordRow> for PartRecord {
    type Error = RepositoryError;

    fn try_from(row: RecordRow) -> Result<Self> {
        let (seq, recorded_at) = (Read(ENTITY).number(row.seq)?, row.recorded_at.and_utc());
        let part = PartRow { key: row.key, kind: row.kind, data: row.data }.try_into()?;
        Ok(Self { seq, path: row.path, part, recorded_at })
    }
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
    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        (part, charge): (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        const REPEATS_MAX: u32 = 3;
        let statement = sql::record_step_part(PartValues {
            worker: worker.as_uuid(),
            execution: step.execution_id.as_uuid(),
            path: &step.path,
            key: &part.key,
            kind: part.kind.as_str(),
            data: part.data.to_string(),
            charge: charge.map(written),
        });
        for _ in 0..REPEATS_MAX {
            if let Some(outcome) = self.record_once(statement.clone()).await? {
                return Ok(outcome);
            }
        }
        Err(RepositoryError::Conflict { entity: ENTITY })
    }
}

/// A charge, as the statement takes it.
fn written(charge: &Charge) -> String {
    let Charge { agent_id, agent_name, provider, model, tokens, nano_usd, price_version } = charge;
    json!({
        "agent_id": agent_id.as_uuid(), "agent_name": agent_name.as_str(), "provider": provider, "model": model,
        "input_tokens": tokens.input, "output_tokens": tokens.output, "cached_input_tokens": tokens.cached_input,
        "nano_usd": nano_usd, "price_version": price_version,
    })
    .to_string()
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
