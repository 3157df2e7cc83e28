//! The rules about records alone: no result twice, nothing early, one line of the log an end.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    case::Case,
    snapshot::{Snapshot, StepRow},
    tally::Tally,
};
use crate::program::forecast::Kind;

/// A step's result is committed once: one end a path, and none after it.
pub(crate) const RESULTS: &str = "results_twice";
/// The log has one line for each end.
pub(crate) const LOGS: &str = "log_lines";
/// No wait ends before its time.
pub(crate) const TIMERS: &str = "timers_early";
/// No attempt starts before its delay is over.
pub(crate) const RETRIES: &str = "retries_early";

/// Of each path one attempt at most has a result, and the log tells of each end once.
pub(crate) fn judge_results(snapshot: &Snapshot, tally: &mut Tally) {
    let nothing = Vec::new();
    for (id, row) in &snapshot.executions {
        let steps = snapshot.steps.get(id).unwrap_or(&nothing);
        let mut results: BTreeMap<&str, Vec<i16>> = BTreeMap::new();
        for step in steps.iter().filter(|step| step.status == "completed") {
            results.entry(&step.path).or_default().push(step.attempt);
        }
        for (path, attempts) in results {
            tally.test(RESULTS, attempts.len() == 1, || format!("{id} {path}: attempts {attempts:?} completed"));
        }
        if !row.has_ended() {
            continue;
        }
        let ended = steps.iter().filter(|step| step.ended_at.is_some()).count();
        let lines = snapshot.step_logs.get(id).copied().unwrap_or_default();
        tally.test(LOGS, i64::try_from(ended) == Ok(lines), || {
            format!("{id}: {ended} ends are recorded, and {lines} lines of the log tell of one")
        });
    }
}

impl Case<'_> {
    /// No timer fired early, by the times of the records and by the database's own clock.
    pub(crate) fn judge_times(&self, tally: &mut Tally) {
        for step in self.steps.iter().filter(|step| step.has_run()) {
            let Some(forecast) = self.forecast.paths.get(&step.path) else { continue };
            if let Kind::Timer(ms) = forecast.kind {
                let due = step.started_at + milliseconds(ms);
                let is_late = step.ended_at.is_some_and(|ended| ended >= due);
                tally.test(TIMERS, is_late, || self.early(step, due));
                // The end of the execution was committed after that, by a clock that no worker sets.
                tally.test(TIMERS, self.row.updated_at >= due, || self.early(step, due));
            }
            if step.attempt > 1
                && let Some(failed) = self.before(step)
                && let Some(at) = failed.ended_at
                && let Some(delay_ms) = usize::try_from(failed.attempt - 1).ok().and_then(|n| forecast.delays_ms.get(n))
            {
                let due = at + milliseconds(*delay_ms);
                tally.test(RETRIES, step.started_at >= due, || self.early(step, due));
                tally.test(RETRIES, self.row.updated_at >= due, || self.early(step, due));
            }
        }
    }

    fn before(&self, step: &StepRow) -> Option<&StepRow> {
        self.steps.iter().find(|other| other.path == step.path && other.attempt + 1 == step.attempt)
    }

    fn early(&self, step: &StepRow, due: chrono::NaiveDateTime) -> String {
        let (id, path, attempt) = (self.row.id, &step.path, step.attempt);
        let (from, to, at) = (step.started_at, step.ended_at, self.row.updated_at);
        format!(
            "{id} {path}, attempt {attempt}: due at {due}; it began at {from}, ended at {to:?}, and the execution by {at}"
        )
    }
}

fn milliseconds(count: u64) -> TimeDelta {
    i64::try_from(count).ok().and_then(TimeDelta::try_milliseconds).unwrap_or(TimeDelta::MAX)
}
