//! What models used, as sums.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use turbocat_domain::{
    id::ExecutionId,
    port::{Result, UsageFilter, UsageQueries, UsageRow},
    usage::{Tokens, UsageGroup, UsageSum},
};

use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, UsageValues},
    store::Pg,
};

const ENTITY: &str = "usage";

#[derive(FromQueryResult)]
struct SumRow {
    key: String,
    calls: i64,
    input_tokens: i64,
    output_tokens: i64,
    cached_input_tokens: i64,
    nano_usd: i64,
    unpriced_calls: i64,
}

#[async_trait]
impl<C: ConnectionTrait + Send> UsageQueries for Pg<C> {
    async fn sums(&self, filter: &UsageFilter, group: UsageGroup, limit: u16) -> Result<Vec<UsageRow>> {
        let statement = sql::sum_usage(UsageValues {
            user_id: filter.user.map(turbocat_domain::id::UserId::as_uuid),
            from: filter.from,
            to: filter.to,
            agent: filter.agent.as_ref().map(ToString::to_string),
            group: group.as_str(),
            limit: i64::from(limit),
        });
        read(&self.conn, statement).await
    }

    async fn of_execution(&self, id: ExecutionId) -> Result<(UsageSum, Vec<UsageRow>)> {
        let rows = read(&self.conn, sql::sum_execution_usage(id.as_uuid())).await?;
        let (whole, steps): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.key.is_empty());
        Ok((whole.first().map(|row| row.sum).unwrap_or_default(), steps))
    }
}

async fn read(conn: &impl ConnectionTrait, statement: Statement) -> Result<Vec<UsageRow>> {
    let rows = SumRow::find_by_statement(statement).all(conn).await.about(ENTITY)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<SumRow> for UsageRow {
    type Error = turbocat_domain::port::RepositoryError;

    fn try_from(row: SumRow) -> Result<Self> {
        let number = |value: i64| Read(ENTITY).number(value);
        let tokens = Tokens {
            input: number(row.input_tokens)?,
            output: number(row.output_tokens)?,
            cached_input: number(row.cached_input_tokens)?,
        };
        let (calls, unpriced_calls) = (number(row.calls)?, number(row.unpriced_calls)?);
        Ok(Self { key: row.key, sum: UsageSum { calls, tokens, nano_usd: number(row.nano_usd)?, unpriced_calls } })
    }
}
