//! The decision about a schedule that is due.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{GRACE, ScheduleState};
use crate::{
    document::{CatchUp, Overlap, Schedule},
    id::WorkflowId,
    limits::CATCH_UP_TICKS_MAX,
    value::text_enum,
};

text_enum! {
    /// What becomes of a tick.
    pub enum Verdict: "a verdict about a tick" {
        /// It starts an execution.
        Started = "started",
        /// It is over, and the rules for missed times do not want it.
        Missed = "missed",
        /// The execution before still runs, or another tick waits already.
        Overlapped = "overlapped",
    }
}

/// A tick that is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Its time, without jitter.
    pub at: DateTime<Utc>,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What is to be done about a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The ticks that are handled, in the order in which their executions start.
    pub ticks: Vec<Tick>,
    /// Where the schedule stands afterwards.
    pub state: ScheduleState,
}

impl Schedule {
    /// Decides about what is due. `is_busy` says whether the execution that the schedule started last has not ended.
    #[must_use]
    pub fn decide(
        &self,
        workflow: WorkflowId,
        (state, is_busy): (ScheduleState, bool),
        now: DateTime<Utc>,
    ) -> Decision {
        let due = self.due(workflow, state.next_at, now);
        let mut deciding = Deciding { overlap: self.overlap, is_busy, queued_for: state.queued_for, ticks: Vec::new() };
        deciding.look_at_the_queued();
        deciding.ticks.extend(due.missed.map(|at| Tick { at, verdict: Verdict::Missed }));
        let newest = due.ticks.back().copied();
        for at in due.ticks {
            let is_recent = self.due_at(workflow, at) >= now - self.lookback();
            if is_recent && (self.catchup != CatchUp::Last || newest == Some(at)) {
                deciding.want(at);
            } else {
                deciding.ticks.push(Tick { at, verdict: Verdict::Missed });
            }
        }
        let state = ScheduleState { next_at: due.next, queued_for: deciding.queued_for };
        Decision { ticks: deciding.ticks, state }
    }

    /// How old a tick may be.
    fn lookback(&self) -> TimeDelta {
        match self.catchup {
            CatchUp::None => GRACE,
            CatchUp::Last | CatchUp::All => TimeDelta::seconds(i64::from(self.catchup_window_s)).max(GRACE),
        }
    }

    /// Lists what is due. What is older than any rule wants is passed over at once: an outage of a year costs no more
    /// than one of a day.
    fn due(&self, workflow: WorkflowId, first: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Due {
        let most = usize::try_from(CATCH_UP_TICKS_MAX).unwrap_or(usize::MAX);
        let oldest = now - self.lookback() - TimeDelta::seconds(i64::from(self.jitter_s));
        let missed = first.filter(|first| *first < oldest);
        let mut next = match (missed, first) {
            (Some(_), _) => self.next_after(oldest - TimeDelta::seconds(1)),
            (None, Some(first)) => Some(first),
            // It begins now: nothing that lies behind is its own.
            (None, None) => self.next_after(now),
        };
        let mut ticks = VecDeque::new();
        while let Some(tick) = next.filter(|tick| self.due_at(workflow, *tick) <= now) {
            if ticks.len() == most {
                ticks.pop_front();
            }
            ticks.push_back(tick);
            next = self.next_after(tick);
        }
        Due { missed, ticks, next }
    }
}

/// What is due of a schedule.
struct Due {
    /// The first of those that are too old to be listed.
    missed: Option<DateTime<Utc>>,
    ticks: VecDeque<DateTime<Utc>>,
    /// The first that is not due yet.
    next: Option<DateTime<Utc>>,
}

/// A decision that is being made.
struct Deciding {
    overlap: Overlap,
    is_busy: bool,
    queued_for: Option<DateTime<Utc>>,
    ticks: Vec<Tick>,
}

impl Deciding {
    /// What waited comes first. It may have been queued by a version with another rule.
    fn look_at_the_queued(&mut self) {
        let Some(at) = self.queued_for else { return };
        if !(self.overlap == Overlap::Queue && self.is_busy) {
            self.queued_for = None;
            self.want(at);
        }
    }

    fn want(&mut self, at: DateTime<Utc>) {
        let verdict = match self.overlap {
            Overlap::Allow => Verdict::Started,
            _ if !self.is_busy => Verdict::Started,
            Overlap::Queue if self.queued_for.is_none() => {
                self.queued_for = Some(at);
                return;
            }
            Overlap::Skip | Overlap::Queue => Verdict::Overlapped,
        };
        self.is_busy |= verdict == Verdict::Started;
        self.ticks.push(Tick { at, verdict });
    }
}
