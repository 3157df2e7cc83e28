//! The small rules of a step: how it is retried, what a failed item or a late answer does.

use serde::{Deserialize, Serialize};

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// The same delay each time.
    Fixed,
    /// Twice the delay each time.
    #[default]
    Exponential,
}

/// How often and when an agent is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u16,
    /// The delay before the second attempt.
    pub delay_ms: u64,
    /// How it grows.
    pub backoff: Backoff,
    /// Whether the delay is spread, so that many failures do not come back at one moment.
    pub jitter: bool,
}

impl RetryPolicy {
    /// No delay is longer: ten minutes.
    pub const DELAY_MS_MAX: u64 = 600_000;

    /// The delay after a failed attempt, in milliseconds.
    ///
    /// `spread` is where in the jitter window this delay falls, 0 to [`u16::MAX`]; the window is the
    /// upper half of the delay. `asked_ms` is what the other side asked for (`Retry-After`): the
    /// delay is never shorter, and both are capped.
    #[must_use]
    pub fn delay_ms(&self, failed_attempt: u16, spread: u16, asked_ms: Option<u64>) -> u64 {
        let doublings = match self.backoff {
            Backoff::Fixed => 0,
            Backoff::Exponential => u32::from(failed_attempt.saturating_sub(1)).min(40),
        };
        let full = self.delay_ms.saturating_mul(1 << doublings).min(Self::DELAY_MS_MAX);
        let own = if self.jitter {
            let half = full / 2;
            full - half + half * u64::from(spread) / u64::from(u16::MAX)
        } else {
            full
        };
        own.max(asked_ms.unwrap_or(0)).min(Self::DELAY_MS_MAX)
    }
}

/// What the failure of one branch of a parallel step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemErrors {
    /// Fails the step; the other branches are cancelled.
    #[default]
    Fail,
    /// Leaves `null` in the place of the branch's output.
    Null,
    /// Leaves the branch out of the output.
    Drop,
}

/// How many branches of a parallel step must complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitFor {
    /// All of them.
    #[default]
    All,
    /// The first so many; `Count(1)` is written `any`.
    Count(u32),
}

/// What a wait that took too long does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// Fails with `wait_timeout`.
    #[default]
    Fail,
    /// Completes with the step's `default`.
    Continue,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { retries: 3, delay_ms: 500, backoff: Backoff::Exponential, jitter: false };

    #[test]
    fn an_exponential_delay_doubles_with_each_attempt_up_to_ten_minutes() {
        let delays = [1, 2, 3, 30, u16::MAX].map(|attempt| POLICY.delay_ms(attempt, 0, None));

        assert_eq!(delays, [500, 1_000, 2_000, 600_000, 600_000]);
    }

    #[test]
    fn jitter_stays_in_the_upper_half_of_the_delay() {
        let policy = RetryPolicy { jitter: true, ..POLICY };

        assert_eq!(policy.delay_ms(1, 0, None), 250);
        assert_eq!(policy.delay_ms(1, u16::MAX, None), 500);
    }

    #[test]
    fn what_the_other_side_asks_for_is_obeyed_up_to_the_cap() {
        assert_eq!(POLICY.delay_ms(1, 0, Some(30_000)), 30_000);
        assert_eq!(POLICY.delay_ms(1, 0, Some(10)), 500);
        assert_eq!(POLICY.delay_ms(1, 0, Some(u64::MAX)), RetryPolicy::DELAY_MS_MAX);
    }
}
