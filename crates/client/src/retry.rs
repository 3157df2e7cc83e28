//! When a request is sent again, and how soon.

use std::time::Duration;

use crate::{Error, Repeat};

/// How often and how soon a request is sent again.
///
/// A request is sent again when the server could not be reached, when it said 429 (too many requests), and, where it
/// cannot be done twice, when the server said 502, 503 or 504, the connection broke, or no answer came in time. The pause
/// doubles each time, and a random half of it is taken away, so that many clients do not come back at once. What the
/// server says in `Retry-After` is waited for; if that is longer than `pause_max`, the error is returned instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often a request is sent at most; 1 for never again.
    pub attempts_max: u32,
    /// The pause after the first attempt.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts_max: 4, pause_min: Duration::from_millis(200), pause_max: Duration::from_secs(30) }
    }
}

/// What another attempt could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chance {
    /// Nothing was done yet: it may be asked for again, whatever it is.
    NotDone,
    /// It may have been done.
    Unknown,
    /// The same answer would come again.
    Settled,
}

impl Chance {
    /// What another attempt could do after this failure.
    pub(crate) fn after(error: &Error) -> Self {
        match error {
            Error::Unreachable { .. } => Self::NotDone,
            Error::Lost { .. } | Error::TimedOut { .. } => Self::Unknown,
            Error::Problem(problem) => Self::of_status(problem.status),
            Error::Foreign { status, .. } => Self::of_status(*status),
            _ => Self::Settled,
        }
    }

    const fn of_status(status: u16) -> Self {
        match status {
            429 => Self::NotDone,
            502..=504 => Self::Unknown,
            _ => Self::Settled,
        }
    }
}

impl Retries {
    /// The pause before the next attempt; nothing if there is to be none.
    pub(crate) fn pause(&self, (attempt, repeat): (u32, Repeat), error: &Error) -> Option<Duration> {
        let may_be_repeated = match Chance::after(error) {
            Chance::NotDone => true,
            Chance::Unknown => repeat != Repeat::Never,
            Chance::Settled => false,
        };
        if !may_be_repeated || attempt >= self.attempts_max {
            return None;
        }
        self.pause_after(attempt, error)
    }

    /// The pause after so many failures, if the server does not ask for a longer one than there may be.
    pub(crate) fn pause_after(&self, failures: u32, error: &Error) -> Option<Duration> {
        if let Some(wanted) = error.retry_after() {
            return (wanted <= self.pause_max).then_some(wanted);
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let pause = self.pause_min.saturating_mul(doubled).min(self.pause_max);
        let share = u32::from(random_byte());
        Some(pause.saturating_sub(pause / 2 * share / 255))
    }
}

/// Without randomness the pauses are merely less spread.
fn random_byte() -> u8 {
    let mut byte = [0];
    let _filled = getrandom::fill(&mut byte);
    byte.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::Problem;

    fn refused(status: u16, retry_after: Option<u64>) -> Error {
        Error::Problem(Box::new(Problem {
            kind: String::new(),
            title: "No".to_owned(),
            status,
            code: "no".to_owned(),
            detail: None,
            errors: None,
            request_id: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
            members: Map::new(),
        }))
    }

    fn timed_out() -> Error {
        Error::TimedOut { server: "here".to_owned(), after: Duration::from_secs(1) }
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_twice_is_once() {
        let retries = Retries::default();
        for (error, always, never) in [
            (refused(429, None), true, true),
            (refused(503, None), true, false),
            (timed_out(), true, false),
            (refused(404, None), false, false),
            (refused(500, None), false, false),
        ] {
            let again = |repeat| retries.pause((1, repeat), &error).is_some();
            assert_eq!((again(Repeat::Always), again(Repeat::ByKey), again(Repeat::Never)), (always, always, never));
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_attempts_end() {
        let retries = Retries { attempts_max: 20, ..Retries::default() };
        let mut before = Duration::ZERO;
        for attempt in 1..8 {
            let pause = retries.pause((attempt, Repeat::Always), &timed_out()).unwrap();
            let most = Duration::from_millis(200) * 2_u32.pow(attempt - 1);
            assert!(pause <= most && pause >= most / 2 && pause >= before, "{attempt}: {pause:?}");
            before = most / 2;
        }
        assert!(retries.pause((19, Repeat::Always), &timed_out()).unwrap() <= retries.pause_max);
        assert_eq!(retries.pause((20, Repeat::Always), &timed_out()), None);
    }

    #[test]
    fn the_server_says_how_long_unless_that_is_too_long() {
        let retries = Retries::default();

        assert_eq!(retries.pause((1, Repeat::Never), &refused(429, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(retries.pause((1, Repeat::Never), &refused(429, Some(31))), None);
    }
}
