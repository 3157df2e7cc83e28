//! How often something happens, over all processes: rates, and the use of keys. Each call is one statement.

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, FromQueryResult};
use turbocat_domain::port::{AccessLedger, KeyUse, RateGrant, RateLimiter, RateRequest, Result};
use uuid::Uuid;

use crate::{
    convert::Read,
    error::ErrorContext,
    sql::{self, RateValues},
    store::PgStore,
};

const RATE: &str = "rate_limit";
const KEY: &str = "api_key";
const MINUTE_US: i64 = 60_000_000;

#[derive(FromQueryResult)]
struct GrantRow {
    granted: i64,
    spent_us: i64,
}

#[derive(FromQueryResult)]
struct CountRow {
    count: i64,
}

#[async_trait]
impl RateLimiter for PgStore {
    #[tracing::instrument(name = "db.rate_limits.take", level = "debug", skip_all, err(level = "debug"))]
    async fn take(&self, request: &RateRequest) -> Result<RateGrant> {
        let each_us = (MINUTE_US / i64::from(request.per_minute.max(1))).max(1);
        let burst = i64::from(request.burst.max(1));
        let values =
            RateValues { subject: request.subject.clone(), each_us, burst, wanted: i64::from(request.wanted.max(1)) };
        let row = GrantRow::find_by_statement(sql::take_rate(values)).one(self.db()).await.about(RATE)?;
        let row = Read(RATE).required(row, "granted")?;
        // Rounded up: a permit that is spent in part is spent.
        let spent = (row.spent_us + each_us - 1) / each_us;
        let until_next_us = row.spent_us - (burst - 1) * each_us;
        Ok(RateGrant {
            granted: Read(RATE).number(row.granted)?,
            remaining: Read(RATE).number((burst - spent).max(0))?,
            retry_after_ms: Read(RATE).number((until_next_us.max(0) + 999) / 1_000)?,
        })
    }
}

#[async_trait]
impl AccessLedger for PgStore {
    #[tracing::instrument(name = "db.api_keys.record_uses", level = "debug", skip_all, err(level = "debug"))]
    async fn record_uses(&self, uses: &[KeyUse]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = uses.iter().map(|one| one.id.as_uuid()).collect();
        let counts: Vec<i64> = uses.iter().map(|one| i64::from(one.count)).collect();
        let times: Vec<NaiveDateTime> = uses.iter().map(|one| one.last_used_at.naive_utc()).collect();
        self.db().execute_raw(sql::record_key_uses(ids, counts, times)).await.about(KEY).map(|_| ())
    }

    #[tracing::instrument(name = "db.access.prune", skip_all, err(level = "debug"))]
    async fn prune(&self) -> Result<u64> {
        let row = CountRow::find_by_statement(sql::prune_access()).one(self.db()).await.about(RATE)?;
        Read(RATE).number(Read(RATE).required(row, "count")?.count)
    }
}
