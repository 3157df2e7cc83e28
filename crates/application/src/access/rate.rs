//! Rates in one process: permits are taken from the store a second's worth at a time, and a refusal is remembered.
//!
//! The store counts for all processes and never gives out too many. A key whose rate is one a second or less asks it
//! for each request; one with a higher rate about once a second.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    limits,
    port::{RateGrant, RateLimiter, RateRequest, RepositoryError},
};

/// How long permits that were taken can be used: what is not used by then is lost.
const LEASE: TimeDelta = TimeDelta::seconds(1);
/// How many rates are remembered; all are forgotten past it, which costs a question each.
const SUBJECTS_MAX: usize = 20_000;

/// How a rate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// The permits that come up in a minute.
    pub limit: u32,
    /// The permits that lie ready, as far as this process knows.
    pub remaining: u32,
    /// Why there was none: in how many milliseconds the next one comes up.
    pub retry_after_ms: Option<u64>,
}

/// What is asked for: one permit of this rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) subject: String,
    pub(super) per_minute: u32,
    pub(super) burst: u32,
}

impl Rate {
    /// The rate of a key: as many at once as its rate allows in two seconds, at least 20, and never more than in a
    /// minute.
    pub(super) fn of_key(subject: String, per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        Self { subject, per_minute, burst: limits::RATE_BURST.max(per_minute / 30).min(per_minute) }
    }

    /// A second's worth.
    fn wanted(&self) -> u32 {
        self.per_minute.div_ceil(60).min(self.burst)
    }
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    permits: u32,
    remaining: u32,
    until: DateTime<Utc>,
    refused_until: DateTime<Utc>,
}

/// What this process has taken.
#[derive(Debug, Default)]
pub(super) struct Rates {
    leases: Mutex<HashMap<String, Lease>>,
}

impl Rates {
    /// Takes one permit, from what was taken before or from the store.
    pub(super) async fn take(
        &self,
        limiter: &dyn RateLimiter,
        rate: &Rate,
        now: DateTime<Utc>,
    ) -> Result<RateState, RepositoryError> {
        if let Some(state) = self.take_leased(rate, now) {
            return Ok(state);
        }
        let request = RateRequest {
            subject: rate.subject.clone(),
            per_minute: rate.per_minute,
            burst: rate.burst,
            wanted: rate.wanted(),
        };
        let grant = limiter.take(&request).await?;
        Ok(self.put(rate, grant, now))
    }

    /// Whether the rate was found spent, and there can be no permit yet.
    pub(super) fn is_refused(&self, subject: &str, now: DateTime<Utc>) -> Option<u64> {
        let leases = self.leases();
        leases.get(subject).and_then(|lease| milliseconds(lease.refused_until - now))
    }

    fn take_leased(&self, rate: &Rate, now: DateTime<Utc>) -> Option<RateState> {
        let mut leases = self.leases();
        let lease = leases.get_mut(&rate.subject)?;
        if let Some(retry_after_ms) = milliseconds(lease.refused_until - now) {
            return Some(RateState { limit: rate.per_minute, remaining: 0, retry_after_ms: Some(retry_after_ms) });
        }
        if lease.permits == 0 || now >= lease.until {
            return None;
        }
        lease.permits -= 1;
        let remaining = lease.remaining.saturating_add(lease.permits);
        Some(RateState { limit: rate.per_minute, remaining, retry_after_ms: None })
    }

    fn put(&self, rate: &Rate, grant: RateGrant, now: DateTime<Utc>) -> RateState {
        let RateGrant { granted, remaining, retry_after_ms } = grant;
        let wait = TimeDelta::milliseconds(i64::try_from(retry_after_ms).unwrap_or(i64::MAX / 2));
        let refused_until = if granted == 0 { now + wait } else { now };
        let mut leases = self.leases();
        if leases.len() >= SUBJECTS_MAX {
            leases.clear();
        }
        let lease = Lease { permits: granted.saturating_sub(1), remaining, until: now + LEASE, refused_until };
        leases.insert(rate.subject.clone(), lease);
        let ready = remaining.saturating_add(lease.permits);
        let retry_after_ms = (granted == 0).then_some(retry_after_ms.max(1));
        RateState { limit: rate.per_minute, remaining: ready, retry_after_ms }
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time that is still to come, in milliseconds, rounded up.
fn milliseconds(left: TimeDelta) -> Option<u64> {
    let micros = left.num_microseconds().unwrap_or(i64::MAX / 2);
    u64::try_from(micros).ok().filter(|micros| *micros > 0).map(|micros| micros.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_burst_but_not_past_its_minute() {
        let burst = |per_minute| Rate::of_key(String::new(), per_minute).burst;

        assert_eq!([0, 1, 5, 60, 600, 6_000].map(burst), [1, 1, 5, 20, 20, 200]);
    }

    #[test]
    fn a_second_is_taken_at_a_time() {
        let wanted = |per_minute| Rate::of_key(String::new(), per_minute).wanted();

        assert_eq!([1, 60, 61, 6_000, 600_000].map(wanted), [1, 1, 2, 100, 10_000]);
    }
}
