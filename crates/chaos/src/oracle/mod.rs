//! The independent judge of a run: it holds what is in the database against what was asked for, told and modelled.
//!
//! It reads tables and evidence alone. Each rule says how often it was put to the test, so that one that was not is
//! not taken for one that holds.
//!
//! # Invariants
//!
//! 1. Nothing of the engine decides what is right: the forecasts are those of the workload's own model.
//! 2. A rule that is broken names what was expected, what was there, and where.

mod agents;
pub(crate) mod case;
mod family;
mod journal;
mod metrics;
mod parts;
mod promises;
pub(crate) mod snapshot;
pub(crate) mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use self::{case::Case, snapshot::ExecutionRow, tally::Tally};
pub(crate) use self::{
    snapshot::Snapshot,
    tally::{Finding, Findings},
};
use crate::{
    evidence::Evidence,
    program::{
        Program,
        forecast::{Forecast, Kind},
    },
};

/// All rules.
pub(crate) const RULES: [&str; 26] = [
    promises::LOST,
    promises::ENDED,
    promises::CANCELS,
    promises::LEFT,
    promises::ORPHANED,
    promises::KILLED,
    promises::PAUSED,
    promises::HEALED,
    case::STATUS,
    case::OUTPUT,
    case::STEPS,
    case::FOLD,
    case::ORDER,
    journal::RESULTS,
    journal::LOGS,
    journal::TIMERS,
    journal::RETRIES,
    agents::DURABLE,
    agents::KEYS,
    agents::DUPLICATES,
    agents::REPEATS,
    agents::TOLD,
    agents::STALE,
    parts::REPEATED,
    family::CHILDREN,
    family::ORPHANS,
];

/// Holds the database against the evidence and the model.
pub(crate) fn check(program: &Program, evidence: &Evidence, snapshot: &Snapshot) -> Findings {
    let mut tally = Tally::default();
    RULES.into_iter().chain([POISON, metrics::WORKFLOWS, metrics::AGENTS]).for_each(|rule| tally.expect(rule));
    let cancels: BTreeSet<Uuid> =
        evidence.sent.iter().filter(|sent| sent.order.cancel_after_ms.is_some()).map(|sent| sent.order.id).collect();
    let mut forecasts = BTreeMap::new();
    for row in snapshot.executions.values() {
        let name = snapshot.workflows.get(&row.workflow_id).map(|workflow| workflow.name.as_str()).unwrap_or_default();
        if let Some(forecast) = program.forecast(name, &row.input_data) {
            // Nobody but its parent cancels a child; whether it had to is another rule.
            let may_be_cut = cancels.contains(&row.id) || (row.parent_path.is_some() && row.is_cancel_requested);
            forecasts.insert(row.id, if may_be_cut { forecast.cut_short() } else { forecast });
        }
    }
    judge_cases(snapshot, &forecasts, &mut tally);
    promises::judge_sent(evidence, snapshot, &mut tally);
    promises::judge_rows(snapshot, &mut tally);
    promises::judge_times(evidence, &mut tally);
    journal::judge_results(snapshot, &mut tally);
    agents::judge_entries(evidence, snapshot, &forecasts, &mut tally);
    parts::judge_parts(evidence, snapshot, &mut tally);
    family::judge_family(snapshot, &forecasts, &mut tally);
    metrics::judge_metrics(snapshot, &mut tally);
    promises::with_times(tally.findings(), evidence)
}

/// An execution is given up as poison only if it was taken over too often.
const POISON: &str = "poison";
/// So often an execution may be taken over without progress before it is.
const TAKEOVERS_MAX: i32 = 3;

fn judge_cases(snapshot: &Snapshot, forecasts: &BTreeMap<Uuid, Forecast>, tally: &mut Tally) {
    let poisoned = poisoned(snapshot);
    let nothing = Vec::new();
    for row in snapshot.executions.values() {
        let forecast = forecasts.get(&row.id);
        tally.test(case::STATUS, forecast.is_some(), || format!("{}: nobody ordered its workflow", row.id));
        let Some(forecast) = forecast.filter(|_| row.has_ended()) else { continue };
        if poisoned.contains(&row.id) {
            let is_right = row.error_code.as_deref() != Some(POISON) || row.takeovers > TAKEOVERS_MAX;
            tally.test(POISON, is_right, || format!("{}: it was given up after {} takeovers", row.id, row.takeovers));
            continue;
        }
        let case = Case { row, steps: snapshot.steps.get(&row.id).unwrap_or(&nothing), forecast };
        case.judge(tally);
        case.judge_times(tally);
        count(&case, tally);
    }
}

/// Counts what a run must have seen to say anything.
fn count(case: &Case<'_>, tally: &mut Tally) {
    let of_kind = |wanted: fn(&Kind) -> bool| {
        let paths = case.steps.iter().filter(|step| step.has_run());
        paths.filter(|step| case.forecast.paths.get(&step.path).is_some_and(|path| wanted(&path.kind))).count()
    };
    tally.count("timers", of_kind(|kind| matches!(kind, Kind::Timer(_))));
    tally.count("children", of_kind(|kind| matches!(kind, Kind::Child { .. })));
    tally.count("retries", case.steps.iter().filter(|step| step.attempt > 1 && step.has_run()).count());
    tally.count("cancelled", usize::from(case.row.status == "cancelled"));
    tally.count("exact", usize::from(case.forecast.is_exact()));
    tally.count("taken_over", usize::from(case.row.takeovers > 0));
}

/// What was given up, and all that waited for it.
fn poisoned(snapshot: &Snapshot) -> BTreeSet<Uuid> {
    let mut poisoned = BTreeSet::new();
    for row in snapshot.executions.values().filter(|row| row.error_code.as_deref() == Some(POISON)) {
        let mut next: Option<&ExecutionRow> = Some(row);
        while let Some(row) = next.filter(|row| poisoned.insert(row.id)) {
            next = row.parent_execution_id.and_then(|parent| snapshot.executions.get(&parent));
        }
    }
    poisoned
}
