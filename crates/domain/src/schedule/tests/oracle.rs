//! An oracle that shares nothing with the code: it walks minute by minute, and looks at the clocks.

use std::collections::HashMap;

use chrono::{Datelike, Timelike};
use proptest::{prelude::*, strategy::ValueTree as _};

use super::*;

/// An expression whose fields the oracle knows without reading it.
#[derive(Debug, Clone)]
struct Fields {
    minutes: Vec<u32>,
    /// All, if empty.
    hours: Vec<u32>,
    /// All, if empty; 0 is Sunday.
    weekdays: Vec<u32>,
}

impl Fields {
    fn text(&self) -> String {
        let field = |values: &[u32]| {
            let all: Vec<String> = values.iter().map(ToString::to_string).collect();
            match values {
                [] => "*".to_owned(),
                [first, .., last] if values.len() > 20 => format!("{first}-{last}"),
                _ => all.join(","),
            }
        };
        format!("{} {} * * {}", field(&self.minutes), field(&self.hours), field(&self.weekdays))
    }

    fn fits(&self, local: NaiveDateTime) -> bool {
        let has = |values: &[u32], value| values.is_empty() || values.contains(&value);
        has(&self.minutes, local.minute())
            && has(&self.hours, local.hour())
            && has(&self.weekdays, local.weekday().num_days_from_sunday())
    }

    fn names_hours(&self) -> bool {
        !self.hours.is_empty() && (0..24).any(|hour| !self.hours.contains(&hour))
    }
}

/// The ticks of some days, by walking through all their minutes; and how many clock changes there were.
fn walk(fields: &Fields, schedule: &Schedule, from: DateTime<Utc>, days: i64) -> (Vec<DateTime<Utc>>, u32) {
    let zone = schedule.timezone.tz();
    let minute = |n: i64| from + TimeDelta::minutes(n);
    let shown = |n: i64| minute(n).with_timezone(&zone).naive_local();
    // Two days around, so that every time that is shown twice is seen twice.
    let (first, last) = (-2 * 1_440, (days + 2) * 1_440);
    let mut passes: HashMap<NaiveDateTime, Vec<i64>> = HashMap::new();
    for n in first..last {
        passes.entry(shown(n)).or_default().push(n);
    }
    let (mut ticks, mut changes) = (Vec::new(), 0);
    for n in 0..days * 1_440 {
        let (before, local) = (shown(n - 1), shown(n));
        let step = (local - before).num_minutes();
        changes += u32::from(step != 1);
        let skipped = || (1..step).map(|k| before + TimeDelta::minutes(k)).any(|local| fields.fits(local));
        let made_up = schedule.dst_gap == DstGap::ShiftForward && fields.names_hours() && skipped();
        let wanted = match (&passes[&local][..], schedule.dst_fold) {
            ([_], _) | (_, DstFold::Both) => true,
            _ if !fields.names_hours() => true,
            (all, DstFold::First) => all.first() == Some(&n),
            (all, DstFold::Second) => all.last() == Some(&n),
        };
        if made_up || (fields.fits(local) && wanted) {
            ticks.push(minute(n));
        }
    }
    (ticks, changes)
}

/// A day before one of the zone's clock changes of these years, if it has any.
fn before_a_change(zone: chrono_tz::Tz, choice: usize) -> Option<DateTime<Utc>> {
    use chrono::Offset as _;
    let day = |n: i64| DateTime::from_timestamp(n * 86_400, 0).unwrap();
    let offset = |n: i64| zone.offset_from_utc_datetime(&day(n).naive_utc()).fix();
    // 1975 to 2035: since then all offsets are whole minutes.
    let changes: Vec<i64> = (1_827..23_741).filter(|n| offset(*n) != offset(n + 1)).collect();
    Some(day(*changes.get(choice % changes.len().max(1))? - 1))
}

fn fields() -> impl Strategy<Value = Fields> {
    let values = |bound: u32, count| proptest::collection::vec(0..bound, count);
    let minutes = prop_oneof![values(60, 1..4), Just(vec![0]), Just(vec![0, 15, 30, 45]), Just((0..60).collect())];
    let hours = prop_oneof![Just(Vec::new()), values(5, 1..4), values(24, 1..4), Just((0..24).collect())];
    let weekdays = prop_oneof![3 => Just(Vec::new()), 1 => values(7, 1..4)];
    (minutes, hours, weekdays).prop_map(|(minutes, hours, weekdays)| Fields { minutes, hours, weekdays })
}

#[test]
fn ticks_are_those_of_an_oracle_that_walks_minute_by_minute() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut changes, mut compared) = (0, 0);
    let case = (fields(), 0..chrono_tz::TZ_VARIANTS.len(), any::<usize>(), 0..DstGap::ALL.len(), 0..DstFold::ALL.len());
    for _ in 0..250 {
        let (fields, zone, choice, gap, fold) = case.new_tree(&mut runner).unwrap().current();
        let zone = chrono_tz::TZ_VARIANTS[zone];
        let Some(from) = before_a_change(zone, choice) else { continue };
        let schedule = Schedule {
            dst_gap: DstGap::ALL[gap],
            dst_fold: DstFold::ALL[fold],
            ..schedule(&fields.text(), zone.name())
        };
        let (expected, seen) = walk(&fields, &schedule, from, 4);
        let (start, end) = (from - TimeDelta::seconds(1), from + TimeDelta::days(4));
        let ticks = std::iter::successors(schedule.next_after(start), |tick| schedule.next_after(*tick));
        let found: Vec<_> = ticks.take_while(|tick| *tick < end).collect();
        assert_eq!(found, expected, "{} {schedule:?} from {from}", fields.text());
        // The next tick does not depend on where the search begins.
        for pair in expected.windows(2).take(20) {
            let between = pair[0] + (pair[1] - pair[0]) / 2;
            assert_eq!(schedule.next_after(between), Some(pair[1]), "{} {schedule:?} after {between}", fields.text());
        }
        changes += seen;
        compared += expected.len();
    }
    println!("{changes} clock changes were walked through, {compared} ticks were compared");
    assert!(changes > 150 && compared > 10_000, "{changes} changes, {compared} ticks");
}
