//! The engine's time: the database's, carried forward by the monotonic clock of the process.
//!
//! The wall clock of the machine has no say. Each grant of the lease tells the time of the database at a moment
//! between the request and the answer; the estimate is moved only as far as that proves it wrong, and otherwise
//! errs towards the past, so that no timer fires early.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use turbocat_domain::port::Clock;
use turbocat_planted::{Bug, is_planted};

/// The database's time, as well as the process knows it.
#[derive(Debug)]
pub(crate) struct EngineClock {
    origin: Instant,
    /// The database's time at `origin`, in microseconds since 1970; `UNKNOWN` before the first grant.
    offset_us: AtomicI64,
}

const UNKNOWN: i64 = i64::MIN;

impl EngineClock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), offset_us: AtomicI64::new(UNKNOWN) }
    }

    /// Takes in that the database's time was `granted_at` at some moment between `sent_at` and `received_at`.
    pub(crate) fn observe(&self, granted_at: DateTime<Utc>, sent_at: Instant, received_at: Instant) {
        let latest = granted_at.timestamp_micros().saturating_sub(self.since_origin(sent_at));
        let earliest = granted_at.timestamp_micros().saturating_sub(self.since_origin(received_at));
        let offset = match self.offset_us.load(Ordering::Relaxed) {
            UNKNOWN => earliest,
            known => known.clamp(earliest, latest),
        };
        self.offset_us.store(offset, Ordering::Relaxed);
    }

    /// How long it takes until a time of the database; zero if it is over.
    pub(crate) fn until(&self, at: DateTime<Utc>) -> Duration {
        (at - self.now()).to_std().unwrap_or_default()
    }

    fn since_origin(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(i64::MAX)
    }
}

impl Clock for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        let offset = self.offset_us.load(Ordering::Relaxed).max(0);
        let offset = if is_planted(Bug::ClockAhead) { offset.saturating_add(2_000_000) } else { offset };
        DateTime::from_timestamp_micros(offset.saturating_add(self.since_origin(Instant::now()))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_goes_on_with_the_monotonic_clock() {
        let clock = EngineClock::new();
        let sent = Instant::now();
        clock.observe(start(), sent, sent);
        tokio::time::advance(Duration::from_millis(1_500)).await;

        assert_eq!(clock.now(), start() + TimeDelta::milliseconds(1_500));
        assert_eq!(clock.until(start() + TimeDelta::seconds(2)), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_makes_it_late_never_early_and_a_fast_one_corrects_it() {
        let clock = EngineClock::new();
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(800)).await;
        // The database said this at some moment of those 800 ms.
        clock.observe(start(), sent, Instant::now());
        assert_eq!(clock.now(), start());

        // 700 ms of the 800 had passed after the database looked at its clock.
        let sent = Instant::now();
        clock.observe(start() + TimeDelta::milliseconds(700), sent, sent);
        assert_eq!(clock.now(), start() + TimeDelta::milliseconds(700));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_proves_nothing_wrong_does_not_move_it() {
        let clock = EngineClock::new();
        let sent = Instant::now();
        clock.observe(start(), sent, sent);
        tokio::time::advance(Duration::from_millis(100)).await;
        clock.observe(start() + TimeDelta::milliseconds(40), sent, Instant::now());

        assert_eq!(clock.now(), start() + TimeDelta::milliseconds(100));
    }
}
