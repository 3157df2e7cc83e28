//! The times at which a schedule fires: cron by local time, and what clock changes do to it.
//!
//! Two kinds of expressions are told apart. One that *names hours* (`30 2 * * *`, `0 8-18 * * *`) means times of the
//! day: one that the clocks skip is when they go on, or not that day (`dst_gap`); one that they repeat is the first,
//! the second or both (`dst_fold`). One that fires in every hour (`*/15 * * * *`, `@hourly`) means a rhythm: it fires
//! whenever the clocks show a time that fits, so a repeated hour has its runs again and a skipped one has none.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone as _, Utc};

use crate::document::{DstFold, DstGap, Schedule};

/// How far apart two looks for a clock change are: shorter than any time between two of them.
const STRIDE: TimeDelta = TimeDelta::hours(12);

/// A change of the clocks.
struct Change {
    at: DateTime<Utc>,
    before: TimeDelta,
    after: TimeDelta,
}

impl Schedule {
    /// The first tick after `after`; `None` when there is none any more.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut from, mut inclusive) = (after, false);
        loop {
            let offset = self.offset(from);
            let local = self.cron.next_local(local(from, offset)?, inclusive)?;
            let tick = instant(local, offset)?;
            if let Some(change) = self.change(from, tick) {
                // Nothing fits between `from` and the change: what lies behind it is searched with the new offset.
                if self.fires_in_the_gap(&change) {
                    return Some(change.at);
                }
                (from, inclusive) = (change.at, true);
            } else if self.is_wanted(local, tick) {
                return Some(tick);
            } else {
                (from, inclusive) = (tick, false);
            }
        }
    }

    /// Whether a change skips a time that is to be made up for.
    fn fires_in_the_gap(&self, change: &Change) -> bool {
        let skips = self.dst_gap == DstGap::ShiftForward && self.cron.names_hours() && change.after > change.before;
        let first = || self.cron.next_local(local(change.at, change.before)?, true);
        skips && first().zip(local(change.at, change.after)).is_some_and(|(first, end)| first < end)
    }

    /// Whether it fires in this pass of a local time that the clocks show twice.
    fn is_wanted(&self, local: NaiveDateTime, tick: DateTime<Utc>) -> bool {
        let zone = self.timezone.tz();
        let chrono::LocalResult::Ambiguous(first, second) = zone.from_local_datetime(&local) else { return true };
        match self.dst_fold {
            _ if !self.cron.names_hours() => true,
            DstFold::Both => true,
            DstFold::First => tick == first,
            DstFold::Second => tick == second,
        }
    }

    /// The first change of the clocks after `from`, up to and with `until`.
    fn change(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<Change> {
        let before = self.offset(from);
        let mut same = from;
        while same < until {
            let next = same.checked_add_signed(STRIDE).map_or(until, |next| next.min(until));
            if self.offset(next) != before {
                return Some(self.bisect(same, next));
            }
            same = next;
        }
        None
    }

    /// The change between two times whose offsets differ, to the second.
    fn bisect(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Change {
        let before = self.offset(from);
        let (mut same, mut other) = (from.timestamp(), until.timestamp());
        while other - same > 1 {
            let middle = same.midpoint(other);
            if self.offset(seconds(middle)) == before { same = middle } else { other = middle }
        }
        Change { at: seconds(other), before, after: self.offset(seconds(other)) }
    }

    fn offset(&self, at: DateTime<Utc>) -> TimeDelta {
        let offset = self.timezone.tz().offset_from_utc_datetime(&at.naive_utc());
        TimeDelta::seconds(i64::from(offset.fix().local_minus_utc()))
    }
}

fn local(at: DateTime<Utc>, offset: TimeDelta) -> Option<NaiveDateTime> {
    at.naive_utc().checked_add_signed(offset)
}

fn instant(local: NaiveDateTime, offset: TimeDelta) -> Option<DateTime<Utc>> {
    Some(local.checked_sub_signed(offset)?.and_utc())
}

fn seconds(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
