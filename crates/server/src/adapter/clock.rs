//! The system's clock.

use chrono::{DateTime, SubsecRound, Utc};
use turbocat_domain::port::Clock;

/// The system's clock, cut to microseconds.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one adapter of the port")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
