//! Rates, and the use of keys.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    limits,
    port::{AccessLedger, KeyUse, RateGrant, RateLimiter, RateRequest, Result},
};

use super::{MemoryStore, tables::Tables};

const MINUTE_US: i64 = 60_000_000;

#[async_trait]
impl RateLimiter for MemoryStore {
    async fn take(&self, request: &RateRequest) -> Result<RateGrant> {
        let (now, mut state) = (self.now(), self.state());
        let each_us = (MINUTE_US / i64::from(request.per_minute.max(1))).max(1);
        let burst = i64::from(request.burst.max(1));
        let spent_until = state.rates.entry(request.subject.clone()).or_insert(now);
        let spent = (micros_until(*spent_until, now) + each_us - 1) / each_us;
        let granted = i64::from(request.wanted.max(1)).min(burst - spent).max(0);
        *spent_until = (*spent_until).max(now) + TimeDelta::microseconds(granted * each_us);
        let spent_us = micros_until(*spent_until, now);
        let until_next_us = (spent_us - (burst - 1) * each_us).max(0);
        Ok(RateGrant {
            granted: u32::try_from(granted).unwrap_or(u32::MAX),
            remaining: u32::try_from(burst - (spent_us + each_us - 1) / each_us).unwrap_or(0),
            retry_after_ms: u64::try_from((until_next_us + 999) / 1_000).unwrap_or(0),
        })
    }
}

/// How many rows there are of what has its time.
fn count(tables: &Tables) -> usize {
    tables.sessions.len() + tables.idempotency_keys.len() + tables.user_tokens.len()
}

/// How long it is from now to a moment; zero if it is past.
fn micros_until(moment: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (moment - now).num_microseconds().unwrap_or(i64::MAX).max(0)
}

#[async_trait]
impl AccessLedger for MemoryStore {
    async fn record_uses(&self, uses: &[KeyUse]) -> Result<()> {
        let mut state = self.state();
        for one in uses {
            state.tables.api_keys.change(one.id, |key| {
                key.usage_count = key.usage_count.saturating_add(one.count);
                key.last_used_at = key.last_used_at.max(Some(one.last_used_at));
            });
        }
        state.commits += 1;
        Ok(())
    }

    async fn prune(&self) -> Result<u64> {
        let (now, mut state) = (self.now(), self.state());
        let before = state.rates.len() + count(&state.tables);
        state.rates.retain(|_, spent_until| *spent_until >= now - TimeDelta::minutes(1));
        Arc::make_mut(&mut state.tables.sessions).retain(|_, session| session.expires_at >= now - TimeDelta::days(30));
        let forgotten = limits::IDEMPOTENCY_LIFETIME + TimeDelta::hours(1);
        Arc::make_mut(&mut state.tables.idempotency_keys).retain(|_, record| record.created_at >= now - forgotten);
        let user_tokens = Arc::make_mut(&mut state.tables.user_tokens);
        user_tokens.retain(|_, row| row.token.expires_at >= now - TimeDelta::days(1));
        state.commits += 1;
        let after = state.rates.len() + count(&state.tables);
        Ok(u64::try_from(before - after).unwrap_or(u64::MAX))
    }
}
