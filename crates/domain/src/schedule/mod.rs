//! What is to be done about a schedule, now: which of its times start an execution, which do not, and when it is
//! looked at next.
//!
//! A *tick* is a time at which a schedule fires, in UTC and without jitter. This module decides; it reads no clock
//! and stores nothing. That a tick is handled once, by whomever, is the promise of
//! [`ScheduleRepository`](crate::port::ScheduleRepository).
//!
//! # Invariants
//!
//! 1. Ticks are handled in their order: after a decision the next one lies behind all that it names.
//! 2. Whatever was missed, a decision names no more than [`CATCH_UP_TICKS_MAX`](crate::limits::CATCH_UP_TICKS_MAX)
//!    ticks besides one that waited and the first one that was missed.
//! 3. With `overlap: skip` and `queue` a decision starts one execution at most, and none while another runs.

mod decision;
mod ticks;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

pub use self::decision::{Decision, Tick, Verdict};
use crate::{
    document::{Document, Overlap, Schedule},
    id::WorkflowId,
    value::TimeZone,
    workflow::Workflow,
};

/// How late a tick may be without being missed: what a busy or restarted process needs.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleState {
    /// The first tick that was not handled; `None` when that is to be found out, or there is none any more.
    pub next_at: Option<DateTime<Utc>>,
    /// The tick that waits for the end of the execution before (`overlap: queue`).
    pub queued_for: Option<DateTime<Utc>>,
}

/// What the schedule of a workflow starts.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowSchedule {
    /// When.
    pub schedule: Schedule,
    /// How many steps an execution counts.
    pub steps_total: u32,
    /// How long an execution may take, in milliseconds.
    pub timeout_ms: u64,
}

impl WorkflowSchedule {
    /// The schedule of a workflow; `None` unless it is active, there, and its schedule is on.
    #[must_use]
    pub fn of(workflow: &Workflow) -> Option<Self> {
        if !workflow.is_active() || !workflow.schedule_enabled {
            return None;
        }
        // What is published was checked; what cannot be read cannot be run either.
        let document = Document::parse(&workflow.definition).ok()?;
        let of_columns =
            || workflow.schedule_cron.clone().map(|cron| Schedule::plain(cron, workflow.schedule_timezone));
        Some(Self {
            schedule: document.triggers().schedule.clone().or_else(of_columns)?,
            steps_total: document.steps_total(),
            timeout_ms: document.settings().timeout_ms,
        })
    }
}

impl Schedule {
    /// Whether both fire at the same times.
    #[must_use]
    pub fn has_the_times_of(&self, other: &Self) -> bool {
        (&self.cron, self.timezone, self.dst_gap, self.dst_fold)
            == (&other.cron, other.timezone, other.dst_gap, other.dst_fold)
    }

    /// Where the schedule stands when its workflow is published or switched on.
    ///
    /// `before` is what it takes over: the schedule of the version that it follows, and where that stood. A tick that
    /// was due and not handled is handed on, also if the times have changed since; everything that lies ahead follows
    /// the new schedule.
    #[must_use]
    pub fn begin(&self, before: Option<(&Self, ScheduleState)>, now: DateTime<Utc>) -> ScheduleState {
        let Some((schedule, state)) = before else {
            return ScheduleState { next_at: self.next_after(now), queued_for: None };
        };
        let is_handed_on = state.next_at.is_some_and(|next| next <= now) || self.has_the_times_of(schedule);
        ScheduleState { next_at: if is_handed_on { state.next_at } else { self.next_after(now) }, ..state }
    }

    /// By how much the start of a tick is late on purpose, in milliseconds: the same at every look.
    #[must_use]
    pub fn jitter_ms(&self, workflow: WorkflowId, tick: DateTime<Utc>) -> u32 {
        let bound = u64::from(self.jitter_s) * 1_000 + 1;
        let (high, low) = workflow.as_uuid().as_u64_pair();
        let seed = mix(mix(high).wrapping_add(low)).wrapping_add(tick.timestamp().cast_unsigned());
        u32::try_from(mix(seed) % bound).unwrap_or(u32::MAX)
    }

    /// When a tick is to be looked at.
    pub(crate) fn due_at(&self, workflow: WorkflowId, tick: DateTime<Utc>) -> DateTime<Utc> {
        let jitter = TimeDelta::milliseconds(i64::from(self.jitter_ms(workflow, tick)));
        tick.checked_add_signed(jitter).unwrap_or(tick)
    }

    /// What an execution knows about the tick that started it.
    #[must_use]
    pub fn trigger_data(&self, tick: DateTime<Utc>) -> Value {
        json!({
            "scheduled_for": tick.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            "cron": self.cron,
            "timezone": self.timezone,
        })
    }

    /// A schedule of which only the times are known; the rest is as it is by default.
    fn plain(cron: crate::value::CronExpression, timezone: TimeZone) -> Self {
        Self {
            cron,
            timezone,
            overlap: Overlap::default(),
            catchup_window_s: Self::CATCHUP_WINDOW_S_DEFAULT,
            catchup: crate::document::CatchUp::default(),
            dst_gap: crate::document::DstGap::default(),
            dst_fold: crate::document::DstFold::default(),
            jitter_s: 0,
        }
    }
}

/// Spreads a number over all numbers (the finaliser of `SplitMix64`, Steele, Lea and Flood 2014).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests;
