//! Ticks against a table and an oracle, and the rules about what is due.

mod oracle;

use chrono::{NaiveDateTime, TimeZone as _};
use uuid::Uuid;

use super::{
    Verdict::{Missed, Overlapped, Started},
    *,
};
use crate::document::{CatchUp, DstFold, DstGap};

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::plain(cron.parse().unwrap(), zone.parse().unwrap())
}

fn workflow() -> WorkflowId {
    WorkflowId::from_uuid(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-06-01T{text}Z").parse().unwrap()
}

/// The ticks in a zone from a local time on, as local times.
fn runs(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let zone = schedule.timezone.tz();
    let from = NaiveDateTime::parse_from_str(from, "%Y-%m-%d %H:%M").unwrap();
    let start = zone.from_local_datetime(&from).unwrap().with_timezone(&Utc);
    std::iter::successors(Some(start), |after| schedule.next_after(*after))
        .skip(1)
        .take(count)
        .map(|run| run.with_timezone(&zone).format("%m-%d %H:%M %z").to_string())
        .collect()
}

#[test]
fn clock_changes_do_what_the_table_says() {
    type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);
    let table: [Row; 11] = [
        // New York, 8 March 2026: 02:00 becomes 03:00.
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", &["03-08 03:00 -0400", "03-09 02:30 -0400"]),
        ("0 * * * *", "America/New_York", "2026-03-08 00:30", &["03-08 01:00 -0500", "03-08 03:00 -0400"]),
        ("*/20 2,3 * * *", "America/New_York", "2026-03-08 00:30", &["03-08 03:00 -0400", "03-08 03:20 -0400"]),
        // New York, 1 November 2026: 02:00 becomes 01:00.
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", &["11-01 01:30 -0400", "11-02 01:30 -0500"]),
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01 00:30",
            &["11-01 01:00 -0400", "11-01 01:30 -0400", "11-01 01:00 -0500", "11-01 01:30 -0500", "11-01 02:00 -0500"],
        ),
        (
            "0,30 1 * * *",
            "America/New_York",
            "2026-10-31 12:00",
            &["11-01 01:00 -0400", "11-01 01:30 -0400", "11-02 01:00 -0500"],
        ),
        // Lord Howe, 4 October 2026: 02:00 becomes 02:30; 5 April 2026: 02:00 becomes 01:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", &["10-04 02:30 +1100", "10-05 02:15 +1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", &["04-05 01:45 +1100", "04-06 01:45 +1030"]),
        // Samoa had no 30 December 2011.
        (
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-28 12:00",
            &["12-29 09:00 -1000", "12-31 00:00 +1400", "12-31 09:00 +1400"],
        ),
        ("0 0 * * *", "Pacific/Apia", "2011-12-29 12:00", &["12-31 00:00 +1400", "01-01 00:00 +1400"]),
        ("0 9 30 12 *", "Pacific/Apia", "2011-12-01 12:00", &["12-31 00:00 +1400", "12-30 09:00 +1400"]),
    ];
    for (cron, zone, from, expected) in table {
        assert_eq!(runs(&schedule(cron, zone), from, expected.len()), expected, "{cron} in {zone}");
    }
}

#[test]
fn the_rules_choose_among_repeated_times_and_drop_skipped_ones() {
    let autumn = schedule("0,30 1 * * *", "America/New_York");
    let second = Schedule { dst_fold: DstFold::Second, ..autumn.clone() };
    assert_eq!(runs(&second, "2026-10-31 12:00", 2), ["11-01 01:00 -0500", "11-01 01:30 -0500"]);
    let both = Schedule { dst_fold: DstFold::Both, ..autumn };
    assert_eq!(
        runs(&both, "2026-10-31 12:00", 4),
        ["11-01 01:00 -0400", "11-01 01:30 -0400", "11-01 01:00 -0500", "11-01 01:30 -0500"]
    );
    let spring = schedule("30 2 * * *", "America/New_York");
    let skipped = Schedule { dst_gap: DstGap::Skip, ..spring };
    assert_eq!(runs(&skipped, "2026-03-07 12:00", 1), ["03-09 02:30 -0400"]);
}

#[test]
fn a_zone_moves_the_run_and_not_the_expression() {
    let schedule = schedule("0 9 * * MON-FRI", "Europe/Berlin");
    assert_eq!(runs(&schedule, "2026-03-27 12:00", 2), ["03-30 09:00 +0200", "03-31 09:00 +0200"]);
}

/// What is decided about a schedule of every ten minutes, in UTC.
fn decide(change: impl FnOnce(&mut Schedule), state: ScheduleState, is_busy: bool, now: &str) -> Decision {
    let mut schedule = schedule("*/10 * * * *", "UTC");
    change(&mut schedule);
    schedule.decide(workflow(), (state, is_busy), at(now))
}

fn next(text: &str) -> ScheduleState {
    ScheduleState { next_at: Some(at(text)), queued_for: None }
}

fn ticks(decision: &Decision) -> Vec<(String, Verdict)> {
    decision.ticks.iter().map(|tick| (tick.at.format("%H:%M").to_string(), tick.verdict)).collect()
}

fn expected(of: &[(&str, Verdict)]) -> Vec<(String, Verdict)> {
    of.iter().map(|(at, verdict)| ((*at).to_owned(), *verdict)).collect()
}

#[test]
fn a_tick_in_time_starts_whatever_the_rule_for_missed_ones() {
    for catchup in CatchUp::ALL {
        let decision = decide(|schedule| schedule.catchup = catchup, next("09:00:00"), false, "09:00:59");
        assert_eq!(ticks(&decision), expected(&[("09:00", Started)]), "{catchup}");
        assert_eq!(decision.state, next("09:10:00"));
    }
}

#[test]
fn nothing_is_done_before_it_is_time() {
    let decision = decide(|_| (), next("09:00:00"), false, "08:59:59");
    assert_eq!(decision, Decision { ticks: Vec::new(), state: next("09:00:00") });
    // What has no tick yet gets one that lies ahead.
    let decision = decide(|_| (), ScheduleState::default(), false, "09:00:00");
    assert_eq!(decision, Decision { ticks: Vec::new(), state: next("09:10:00") });
}

#[test]
fn missed_ticks_are_caught_up_with_as_the_rule_says() {
    let decide = |catchup, window| {
        let change = |schedule: &mut Schedule| {
            (schedule.catchup, schedule.catchup_window_s, schedule.overlap) = (catchup, window, Overlap::Allow);
        };
        ticks(&decide(change, next("09:00:00"), false, "09:25:00"))
    };

    assert_eq!(decide(CatchUp::None, 3_600), expected(&[("09:00", Missed)]));
    assert_eq!(decide(CatchUp::Last, 3_600), expected(&[("09:00", Missed), ("09:10", Missed), ("09:20", Started)]));
    assert_eq!(decide(CatchUp::All, 3_600), expected(&[("09:00", Started), ("09:10", Started), ("09:20", Started)]));
    // 09:10 is 15 minutes old, 09:00 25.
    assert_eq!(decide(CatchUp::All, 900), expected(&[("09:00", Missed), ("09:10", Started), ("09:20", Started)]));
}

#[test]
fn an_outage_of_a_year_costs_no_more_than_the_limits_say() {
    let mut schedule = schedule("* * * * *", "Europe/Berlin");
    (schedule.catchup, schedule.catchup_window_s, schedule.overlap) = (CatchUp::All, 86_400, Overlap::Allow);
    let state = ScheduleState { next_at: Some(at("09:00:00") - TimeDelta::days(365)), queued_for: None };

    let decision = schedule.decide(workflow(), (state, false), at("09:00:00"));

    let started: Vec<_> = decision.ticks.iter().filter(|tick| tick.verdict == Started).collect();
    assert_eq!((decision.ticks.len(), started.len()), (101, 100));
    assert_eq!(started[0].at, at("07:21:00"));
    assert_eq!(decision.state, next("09:01:00"));
}

#[test]
fn an_overlap_is_skipped_queued_or_allowed() {
    let all = |overlap, state, is_busy| {
        let change = |schedule: &mut Schedule| (schedule.catchup, schedule.overlap) = (CatchUp::All, overlap);
        let decision = decide(change, state, is_busy, "09:25:00");
        (ticks(&decision), decision.state.queued_for)
    };
    let of = |first, second, third| expected(&[("09:00", first), ("09:10", second), ("09:20", third)]);

    assert_eq!(all(Overlap::Allow, next("09:00:00"), true), (of(Started, Started, Started), None));
    assert_eq!(all(Overlap::Skip, next("09:00:00"), false), (of(Started, Overlapped, Overlapped), None));
    assert_eq!(all(Overlap::Skip, next("09:00:00"), true), (of(Overlapped, Overlapped, Overlapped), None));
    let queued = expected(&[("09:00", Started), ("09:20", Overlapped)]);
    assert_eq!(all(Overlap::Queue, next("09:00:00"), false), (queued, Some(at("09:10:00"))));
    let full = expected(&[("09:10", Overlapped), ("09:20", Overlapped)]);
    assert_eq!(all(Overlap::Queue, next("09:00:00"), true), (full, Some(at("09:00:00"))));
}

#[test]
fn what_waited_starts_first_when_the_execution_before_has_ended() {
    let state = ScheduleState { next_at: Some(at("09:20:00")), queued_for: Some(at("09:10:00")) };
    let of = |overlap, is_busy, now| {
        let decision = decide(|schedule| schedule.overlap = overlap, state, is_busy, now);
        (ticks(&decision), decision.state)
    };

    assert_eq!(of(Overlap::Queue, false, "09:15:00"), (expected(&[("09:10", Started)]), next("09:20:00")));
    let behind = ScheduleState { next_at: Some(at("09:30:00")), queued_for: Some(at("09:20:00")) };
    assert_eq!(of(Overlap::Queue, false, "09:20:00"), (expected(&[("09:10", Started)]), behind));
    assert_eq!(of(Overlap::Queue, true, "09:15:00"), (Vec::new(), state));
    // Another version has another rule.
    assert_eq!(of(Overlap::Allow, true, "09:15:00"), (expected(&[("09:10", Started)]), next("09:20:00")));
    assert_eq!(of(Overlap::Skip, true, "09:15:00"), (expected(&[("09:10", Overlapped)]), next("09:20:00")));
}

#[test]
fn jitter_is_the_same_at_every_look_stays_in_its_bound_and_spreads() {
    let schedule = Schedule { jitter_s: 30, ..schedule("* * * * *", "UTC") };
    let ids = (0..200).map(|n| WorkflowId::from_uuid(Uuid::from_u128(n)));
    let jitters: Vec<u32> = ids.map(|id| schedule.jitter_ms(id, at("09:00:00"))).collect();

    assert!(jitters.iter().all(|jitter| *jitter <= 30_000));
    for part in 0..6 {
        let count = jitters.iter().filter(|jitter| *jitter / 5_001 == part).count();
        assert!(count > 15, "{count} of 200 in part {part}");
    }
    let late = schedule.due_at(workflow(), at("09:00:00"));
    let state = next("09:00:00");
    let before = schedule.decide(workflow(), (state, false), late - TimeDelta::milliseconds(1));
    assert_eq!(before, Decision { ticks: Vec::new(), state });
    assert_eq!(ticks(&schedule.decide(workflow(), (state, false), late)), expected(&[("09:00", Started)]));
    assert_eq!(Schedule { jitter_s: 0, ..schedule }.jitter_ms(workflow(), at("09:00:00")), 0);
}

#[test]
fn a_version_that_follows_loses_and_doubles_no_tick() {
    let (old, other) = (schedule("*/10 * * * *", "UTC"), schedule("5 * * * *", "UTC"));
    let now = at("09:00:30");
    let waiting = ScheduleState { queued_for: Some(at("08:50:00")), ..next("09:10:00") };

    assert_eq!(old.begin(None, now), next("09:10:00"));
    assert_eq!(old.begin(Some((&old, waiting)), now), waiting);
    // The tick of 09:00 was due and is not handled: it is the new version's, whatever its times are.
    assert_eq!(other.begin(Some((&old, next("09:00:00"))), now), next("09:00:00"));
    assert_eq!(other.begin(Some((&old, next("09:10:00"))), now), next("09:05:00"));
}

#[test]
fn a_schedule_is_read_as_it_is_written() {
    let schedule = Schedule { jitter_s: 5, overlap: Overlap::Queue, ..schedule("@daily", "Asia/Tokyo") };

    assert_eq!(Schedule::parse(&schedule.write()), Ok(schedule));
    assert!(Schedule::parse(&json!({"cron": "nonsense"})).is_err());
    assert!(Schedule::parse(&json!({"cron": "@daily", "bogus": 1})).is_err());
}
