//! A clock that moves only when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use turbocat_domain::port::Clock;

/// Microseconds since 1970 of 2026-01-01T00:00:00Z, where a simulation starts unless it says otherwise.
const START_MICROS: i64 = 1_767_225_600_000_000;

/// A clock that moves only when it is told to. Clones share the time.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    micros: Arc<AtomicI64>,
}

impl SimulatedClock {
    /// A clock that stands at `start`, cut to microseconds.
    #[must_use]
    pub fn at(start: DateTime<Utc>) -> Self {
        Self { micros: Arc::new(AtomicI64::new(start.timestamp_micros())) }
    }

    /// Moves the time on.
    pub fn advance_ms(&self, ms: u64) {
        self.advance_micros(ms.saturating_mul(1_000));
    }

    /// Moves the time on by microseconds, the finest step that there is.
    pub fn advance_micros(&self, micros: u64) {
        let step = i64::try_from(micros).unwrap_or(i64::MAX);
        self.micros.fetch_add(step, Ordering::SeqCst);
    }

    /// Moves the time on to a moment. A moment that is past already changes nothing: time does not run backwards.
    pub fn advance_to(&self, moment: DateTime<Utc>) {
        self.micros.fetch_max(moment.timestamp_micros(), Ordering::SeqCst);
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::at(at_micros(START_MICROS))
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        at_micros(self.micros.load(Ordering::SeqCst))
    }
}

/// The moment where a simulation starts unless it says otherwise: 2026-01-01T00:00:00Z.
#[must_use]
pub fn epoch() -> DateTime<Utc> {
    at_micros(START_MICROS)
}

fn at_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_time_moves_only_when_it_is_told_to_and_clones_share_it() {
        let clock = SimulatedClock::default();
        let other = clock.clone();
        assert_eq!(clock.now(), other.now());

        other.advance_ms(3);
        assert_eq!(clock.now() - epoch(), TimeDelta::milliseconds(3));
    }

    #[test]
    fn the_time_never_runs_backwards() {
        let clock = SimulatedClock::default();
        clock.advance_ms(10);
        clock.advance_to(epoch());
        assert_eq!(clock.now() - epoch(), TimeDelta::milliseconds(10));
    }
}
