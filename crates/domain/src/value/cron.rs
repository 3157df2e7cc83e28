//! Schedules, in the classic five fields of cron.

use chrono::{DateTime, TimeDelta, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::{TimeZone, excerpt, text_conversions};

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

    /// The first time after `after` at which it fires in this zone; `None` when there is none any more.
    ///
    /// A local time that a clock change skips fires at the end of the gap; one that a clock change repeats
    /// fires once, or in both passes when minutes or hours are given as lists, ranges or steps.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>, zone: &TimeZone) -> Option<DateTime<Utc>> {
        self.search(after, *zone, false).or_else(|| self.search_behind_gap(after, *zone))
    }

    fn search(&self, from: DateTime<Utc>, zone: TimeZone, inclusive: bool) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&from.with_timezone(&zone.tz()), inclusive).ok()?;
        Some(found.with_timezone(&Utc))
    }

    /// The search gives up at a local time in a gap of more than two hours (Samoa had no 30 December 2011), and so
    /// it does from everywhere before that gap. Nothing fires in a gap: the end of it is bisected, and the search
    /// begins again there. Ten years hold the next run of whatever fires, a 29 February over 1900 included.
    fn search_behind_gap(&self, after: DateTime<Utc>, zone: TimeZone) -> Option<DateTime<Utc>> {
        let from = |seconds| after.checked_add_signed(TimeDelta::seconds(seconds));
        let (mut before, mut behind) = (0, 10 * 366 * 86_400);
        let mut found = self.search(from(behind)?, zone, true)?;
        while behind - before > 1 {
            let middle = before.midpoint(behind);
            match self.search(from(middle)?, zone, true) {
                Some(earlier) => (behind, found) = (middle, earlier),
                None => before = middle,
            }
        }
        Some(found)
    }
}

text_conversions!(CronExpression, InvalidCronExpression);

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, TimeZone as _};
    use proptest::prelude::*;

    use super::*;
    use crate::value::text::text_laws;

    text_laws!(CronExpression, "([0-9*,/-]{1,4} ){3,5}[A-Z0-9#*L]{1,3}");

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).unwrap()
    }

    /// The runs in a zone from a local time on, as local times.
    fn runs(cron: &str, zone_name: &str, from: &str, count: usize) -> Vec<String> {
        let zone = zone(zone_name);
        let cron = CronExpression::parse(cron).unwrap();
        let from = NaiveDateTime::parse_from_str(from, "%Y-%m-%d %H:%M").unwrap();
        let start = zone.tz().from_local_datetime(&from).unwrap().with_timezone(&Utc);
        std::iter::successors(Some(start), |after| cron.next_after(*after, &zone))
            .skip(1)
            .take(count)
            .map(|run| run.with_timezone(&zone.tz()).format("%m-%d %H:%M %z").to_string())
            .collect()
    }

    #[test]
    fn clock_changes_do_what_the_table_says() {
        type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);
        let table: [Row; 10] = [
            // New York, 8 March 2026: 02:00 becomes 03:00.
            ("30 2 * * *", "America/New_York", "2026-03-07 12:00", &["03-08 03:00 -0400", "03-09 02:30 -0400"]),
            ("0 * * * *", "America/New_York", "2026-03-08 00:30", &["03-08 01:00 -0500", "03-08 03:00 -0400"]),
            // New York, 1 November 2026: 02:00 becomes 01:00.
            ("30 1 * * *", "America/New_York", "2026-10-31 12:00", &["11-01 01:30 -0400", "11-02 01:30 -0500"]),
            (
                "*/30 * * * *",
                "America/New_York",
                "2026-11-01 00:30",
                &[
                    "11-01 01:00 -0400",
                    "11-01 01:30 -0400",
                    "11-01 01:00 -0500",
                    "11-01 01:30 -0500",
                    "11-01 02:00 -0500",
                ],
            ),
            (
                "0,30 1 * * *",
                "America/New_York",
                "2026-10-31 12:00",
                &[
                    "11-01 01:00 -0400",
                    "11-01 01:30 -0400",
                    "11-01 01:00 -0500",
                    "11-01 01:30 -0500",
                    "11-02 01:00 -0500",
                ],
            ),
            // Lord Howe, 4 October 2026: 02:00 becomes 02:30; 5 April 2026: 02:00 becomes 01:30.
            ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", &["10-04 02:30 +1100", "10-05 02:15 +1100"]),
            ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", &["04-05 01:45 +1100", "04-06 01:45 +1030"]),
            // Samoa had no 30 December 2011.
            ("0 9 * * *", "Pacific/Apia", "2011-12-28 12:00", &["12-29 09:00 -1000", "12-31 09:00 +1400"]),
            ("0 0 * * *", "Pacific/Apia", "2011-12-29 12:00", &["12-31 00:00 +1400", "01-01 00:00 +1400"]),
            ("0 9 30 12 *", "Pacific/Apia", "2011-12-01 12:00", &["12-30 09:00 +1400"]),
        ];
        for (cron, zone, from, expected) in table {
            assert_eq!(runs(cron, zone, from, expected.len()), expected, "{cron} in {zone}");
        }
    }

    #[test]
    fn a_zone_moves_the_run_and_not_the_expression() {
        assert_eq!(
            runs("0 9 * * MON-FRI", "Europe/Berlin", "2026-03-27 12:00", 2),
            ["03-30 09:00 +0200", "03-31 09:00 +0200"]
        );
    }

    #[test]
    fn the_next_run_is_a_whole_minute_after_a_time_with_fractions() {
        let cron = CronExpression::parse("* * * * *").unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();

        for after in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:59.999999Z"] {
            assert_eq!(cron.next_after(at(after), &TimeZone::UTC), Some(at("2026-01-01T00:01:00Z")), "after {after}");
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
    fn the_end_of_time_has_no_next_run() {
        let cron = CronExpression::parse("* * * * *").unwrap();

        assert_eq!(cron.next_after(DateTime::<Utc>::MAX_UTC, &TimeZone::UTC), None);
        assert!(
            cron.next_after(DateTime::<Utc>::MIN_UTC, &zone("Pacific/Apia"))
                .is_none_or(|run| run > DateTime::<Utc>::MIN_UTC)
        );
    }

    proptest! {
        #[test]
        fn runs_come_after_what_they_follow_at_least_a_minute_apart(
            (minute, step, hour) in (0u8..60, 1u8..60, 0u8..24),
            (shape, tz, seconds) in (0u8..4, 0usize..chrono_tz::TZ_VARIANTS.len(), 0i64..2_000_000_000),
        ) {
            let text = match shape {
                0 => format!("{minute} * * * *"),
                1 => format!("*/{step} * * * *"),
                2 => format!("{minute} {hour} * * *"),
                _ => format!("{minute}-59/{step} {hour} * * MON-SAT"),
            };
            let (cron, zone) = (CronExpression::parse(text).unwrap(), zone(chrono_tz::TZ_VARIANTS[tz].name()));
            let after = DateTime::from_timestamp(seconds, 999_999_000).unwrap();
            let first = cron.next_after(after, &zone).unwrap();
            let second = cron.next_after(first, &zone).unwrap();

            prop_assert!(first > after);
            prop_assert!(second - first >= TimeDelta::minutes(1));
            prop_assert_eq!(cron.next_after(first - TimeDelta::microseconds(1), &zone), Some(first));
        }
    }
}
