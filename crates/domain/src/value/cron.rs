//! Schedules, in the classic five fields of cron.

use chrono::{DateTime, NaiveDateTime};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::{excerpt, text_conversions};

/// A cron expression: minute, hour, day of month, month, day of week; or `@daily` and its like.
///
/// It fires, some day, and no more often than once a minute: seconds and years are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronExpression {
    text: String,
    cron: Cron,
}

/// Why a text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a schedule: {reason}")]
pub struct InvalidCronExpression {
    /// What was given, cut if it is long.
    pub text: String,
    /// What is wrong with it, and what is allowed.
    pub reason: String,
}

impl CronExpression {
    /// The longest expression, in characters.
    pub const CHARS_MAX: usize = 100;

    /// Parses an expression: five fields, or a nickname (`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`).
    ///
    /// # Errors
    ///
    /// [`InvalidCronExpression`] if the text has another form (a sixth field would fire by the second), or
    /// never fires, like the 30th of February.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidCronExpression> {
        let given = text.into();
        let text = given.trim();
        let refuse = |reason: String| InvalidCronExpression { text: excerpt(text), reason };
        if !text.is_ascii() || text.len() > Self::CHARS_MAX {
            return Err(refuse("it may have at most 100 characters, all of them ASCII".to_owned()));
        }
        let is_nickname = text.starts_with('@') && !text.contains(char::is_whitespace);
        if !is_nickname && text.split_whitespace().count() != 5 {
            return Err(refuse("it needs five fields: minute, hour, day of month, month, day of week".to_owned()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| refuse(error.to_string()))?;
        // Whether a date exists at all does not depend on the zone, nor on when it is asked for.
        if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, true).is_err() {
            return Err(refuse("it never fires".to_owned()));
        }
        Ok(Self { text: text.to_owned(), cron })
    }

    /// The expression, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first local time after `after` (or at it) that fits; `None` when there is none any more. Clocks that
    /// change are the business of [`Schedule`](crate::document::Schedule).
    #[must_use]
    pub fn next_local(&self, after: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&after.and_utc(), inclusive).ok().map(|found| found.naive_utc())
    }

    /// Whether it means times of the day: it does not fire in every hour.
    #[must_use]
    pub fn names_hours(&self) -> bool {
        /// The bit of an hour in which it fires.
        const FIRES: u8 = 1;
        (0..24).any(|hour| !self.cron.pattern.hours.is_bit_set(hour, FIRES).unwrap_or(false))
    }
}

text_conversions!(CronExpression, InvalidCronExpression);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(CronExpression, "([0-9*,/-]{1,4} ){3,5}[A-Z0-9#*L]{1,3}");

    #[test]
    fn the_next_time_is_a_whole_minute_after_a_time_with_fractions() {
        let cron = CronExpression::parse("* * * * *").unwrap();
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();

        for after in ["2026-01-01T00:00:00", "2026-01-01T00:00:00.000001", "2026-01-01T00:00:59.999999"] {
            assert_eq!(cron.next_local(at(after), false), Some(at("2026-01-01T00:01:00")), "after {after}");
        }
        assert_eq!(cron.next_local(at("2026-01-01T00:00:00"), true), Some(at("2026-01-01T00:00:00")));
    }

    #[test]
    fn an_expression_names_hours_unless_it_fires_in_every_hour() {
        for (text, names) in [
            ("* * * * *", false),
            ("*/5 * * * *", false),
            ("30 * * * MON", false),
            ("0 0-23 * * *", false),
            ("@hourly", false),
            ("30 2 * * *", true),
            ("0 */2 * * *", true),
            ("* 8-18 * * *", true),
            ("@daily", true),
        ] {
            assert_eq!(CronExpression::parse(text).unwrap().names_hours(), names, "{text}");
        }
    }

    #[test]
    fn what_has_seconds_or_never_fires_or_is_no_schedule_is_refused() {
        let long = format!("{} * * * *", "1,".repeat(50) + "2");
        let refused = [
            "",
            "   ",
            "* * * *",
            "*/5 * * * * *",
            "0 0 9 * * MON 2030",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "0 0 30 2 *",
            "0 0 31 4,6,9,11 *",
            "a b c d e",
            "@reboot",
            "@every 5s",
            "@",
            "* * * * \u{2013}",
            "5-1 * * *",
            "*/0 * * * *",
            &long,
        ];
        for text in refused {
            let parsed = CronExpression::parse(text);
            assert!(parsed.is_err(), "{text:?} is accepted: {parsed:?}");
        }
    }

    #[test]
    fn what_people_write_is_accepted() {
        let accepted = [
            "* * * * *",
            "0 9 * * MON-FRI",
            "0 9 * * mon-fri",
            " 0  0 1 1 * ",
            "0 0 29 2 *",
            "0 0 L * *",
            "0 9 * * MON#1",
            "0 9 15W * *",
            "*/15 8-18 * * 1-5",
            "@daily",
            "@hourly",
            "@weekly",
            "@monthly",
            "@yearly",
            "@Annually",
        ];
        for text in accepted {
            assert!(CronExpression::parse(text).is_ok(), "{text:?} is refused: {:?}", CronExpression::parse(text));
        }
    }

    #[test]
    fn the_message_says_what_is_wrong() {
        let message = |text: &str| CronExpression::parse(text).unwrap_err().to_string();

        assert_eq!(message("0 0 30 2 *"), "`0 0 30 2 *` is not a schedule: it never fires");
        assert_eq!(
            message("*/5 * * * * *"),
            "`*/5 * * * * *` is not a schedule: it needs five fields: minute, hour, day of month, month, day of week"
        );
    }

    #[test]
    fn the_end_of_time_has_no_next_time() {
        assert_eq!(CronExpression::parse("* * * * *").unwrap().next_local(NaiveDateTime::MAX, false), None);
    }
}
