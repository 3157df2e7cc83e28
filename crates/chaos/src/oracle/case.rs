//! One execution: what the model says of it, and what is in the database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;

use super::{
    snapshot::{ExecutionRow, StepRow},
    tally::Tally,
};
use crate::program::{
    forecast::{CANCELLED, End, Forecast, PathForecast},
    pattern,
};

/// The execution ended as it had to.
pub(crate) const STATUS: &str = "status_as_modelled";
/// Its output is the right one.
pub(crate) const OUTPUT: &str = "output_as_modelled";
/// Each step ended as it had to, in as many attempts.
pub(crate) const STEPS: &str = "steps_as_modelled";
/// The counts and the duration of the execution are the fold of its records.
pub(crate) const FOLD: &str = "execution_fold";
/// No step has a place before one that it depends on.
pub(crate) const ORDER: &str = "journal_order";

/// An execution, its records and its forecast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) row: &'a ExecutionRow,
    pub(crate) steps: &'a [StepRow],
    pub(crate) forecast: &'a Forecast,
}

impl Case<'_> {
    /// Holds it against the model.
    pub(crate) fn judge(&self, tally: &mut Tally) {
        self.judge_end(tally);
        let mut by_path: BTreeMap<&str, Vec<&StepRow>> = BTreeMap::new();
        for step in self.steps {
            by_path.entry(&step.path).or_default().push(step);
        }
        let paths: BTreeSet<&str> =
            by_path.keys().copied().chain(self.forecast.paths.keys().map(String::as_str)).collect();
        for path in paths {
            let records = by_path.get(path).map(Vec::as_slice).unwrap_or_default();
            let wrong = wrong(self.forecast.paths.get(path), records);
            tally.test(STEPS, wrong.is_none(), || format!("{} {path}: {}", self.row.id, wrong.unwrap_or_default()));
        }
        self.judge_fold(&by_path, tally);
        self.judge_order(&by_path, tally);
    }

    fn judge_end(&self, tally: &mut Tally) {
        let Self { row, forecast, .. } = self;
        let status = row.status.as_str();
        let is_code_right = match status {
            "completed" => row.error_code.is_none(),
            "failed" => row.error_code.as_ref().is_some_and(|code| forecast.codes.contains(code)),
            ended => row.error_code.as_deref() == Some(ended),
        };
        tally.test(STATUS, forecast.statuses.contains(status) && is_code_right, || {
            let (statuses, codes) = (&forecast.statuses, &forecast.codes);
            format!("{}: it had to be {statuses:?} with {codes:?}, and is {status} with {:?}", row.id, row.error_code)
        });
        if status == "completed" {
            tally.test(OUTPUT, pattern::matches(&forecast.output, &row.output_data), || {
                format!("{}: it had to be {}, and is {}", row.id, forecast.output, row.output_data)
            });
        }
    }

    fn judge_fold(&self, by_path: &BTreeMap<&str, Vec<&StepRow>>, tally: &mut Tally) {
        let row = self.row;
        let last = by_path.values().filter_map(|records| records.last()).filter(|record| record.is_outside());
        let mut counts = (0, 0);
        for record in last {
            counts.0 += i32::from(record.status == "completed");
            counts.1 += i32::from(record.status == "failed");
        }
        let total = i32::try_from(self.forecast.steps_total).unwrap_or(i32::MAX);
        let is_right = (row.steps_completed, row.steps_failed) == counts && row.steps_total == total;
        tally.test(FOLD, is_right, || {
            let found = (row.steps_completed, row.steps_failed, row.steps_total);
            format!("{}: steps completed, failed, in all had to be {counts:?} of {total}, and are {found:?}", row.id)
        });
        let took = row.started_at.zip(row.completed_at).map(|(from, to)| whole_ms(from, to));
        let is_right = took == row.duration_ms.map(i64::from) && took.is_some();
        tally.test(FOLD, is_right, || format!("{}: it took {took:?} ms, and says {:?}", row.id, row.duration_ms));
    }

    fn judge_order(&self, by_path: &BTreeMap<&str, Vec<&StepRow>>, tally: &mut Tally) {
        let places: BTreeSet<i32> = self.steps.iter().filter(|step| step.ended_at.is_some()).map(|s| s.seq).collect();
        let ended = self.steps.iter().filter(|step| step.ended_at.is_some()).count();
        tally.test(ORDER, places.len() == ended, || format!("{}: two records have one place", self.row.id));
        for (path, forecast) in &self.forecast.paths {
            let Some(first) = by_path.get(path.as_str()).and_then(|records| records.first()).filter(|r| r.has_run())
            else {
                continue;
            };
            for before in &forecast.before {
                let earlier = by_path.get(before.as_str()).and_then(|records| records.last());
                let holds = earlier.is_some_and(|earlier| earlier.seq < first.seq);
                tally.test(ORDER, holds, || {
                    let place = earlier.map(|earlier| earlier.seq);
                    format!(
                        "{} {path}: it has place {}, and {before}, before it, has {place:?}",
                        self.row.id, first.seq
                    )
                });
            }
        }
    }
}

/// The whole milliseconds between two times, as the engine counts them.
pub(crate) fn whole_ms(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    (to - from).num_milliseconds().max(0)
}

/// What is wrong with the records of a path.
fn wrong(forecast: Option<&PathForecast>, records: &[&StepRow]) -> Option<String> {
    let Some(forecast) = forecast else { return Some("the workflow has no such step".to_owned()) };
    let Some(last) = records.last() else {
        return (!forecast.may_be_absent).then(|| format!("it had to end with {:?}, and has no record", forecast.end));
    };
    let attempts: Vec<i16> = records.iter().map(|record| record.attempt).collect();
    if !attempts.iter().copied().eq(1..=last.attempt) {
        return Some(format!("its attempts are {attempts:?}"));
    }
    if let Some(early) = records.iter().rev().skip(1).find(|record| record.status != "failed") {
        return Some(format!("attempt {} is {}, and another followed", early.attempt, early.status));
    }
    let (attempt, planned) = (i64::from(last.attempt), i64::from(forecast.attempts));
    let reason = last.reason.as_deref().unwrap_or_default();
    let is_right = match (last.status.as_str(), &forecast.end) {
        ("completed", End::Completed(output)) => {
            attempt == planned && pattern::matches(output, last.output.as_ref().unwrap_or(&serde_json::Value::Null))
        }
        ("failed", End::Failed(codes)) => {
            attempt == planned && last.error_code.as_ref().is_some_and(|code| codes.contains(code))
        }
        ("skipped", _) if reason == CANCELLED && forecast.may_be_cancelled => attempt <= planned,
        ("skipped", End::Skipped(reasons)) => attempt == 1 && reasons.contains(&reason),
        _ => false,
    };
    (!is_right).then(|| {
        let found = (last.status.as_str(), reason, last.output.as_ref(), last.error_code.as_deref());
        let cut = if forecast.may_be_cancelled { " or be cut short" } else { "" };
        format!(
            "it had to end with {:?} in attempt {planned}{cut}, and attempt {attempt} ended with {found:?}",
            forecast.end
        )
    })
}
