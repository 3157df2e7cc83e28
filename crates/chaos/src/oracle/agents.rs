//! What agents told: when they started, what they did outside, and under which key.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{snapshot::Snapshot, tally::Tally};
use crate::{
    evidence::{Entry, Evidence},
    program::forecast::{Forecast, Kind},
};

/// What a step depends on is durable before it starts.
pub(crate) const DURABLE: &str = "successors_after_commit";
/// Effects have the keys that the workflows give them.
pub(crate) const KEYS: &str = "effects_unknown";
/// An effect comes twice only if its attempt was lost with its worker.
pub(crate) const DUPLICATES: &str = "effects_duplicated";
/// An attempt is made again only by another worker, and only if one of both is dead.
pub(crate) const REPEATS: &str = "attempts_repeated";
/// What is recorded of an attempt, an agent told of.
pub(crate) const TOLD: &str = "attempts_told";
/// A commit under a lost lease is refused.
pub(crate) const STALE: &str = "stale_commits";

/// An attempt: execution, path, number.
type Attempt<'a> = (Uuid, &'a str, u16);

/// Looks at all that was told.
pub(crate) fn judge_entries(
    evidence: &Evidence,
    snapshot: &Snapshot,
    forecasts: &BTreeMap<Uuid, Forecast>,
    tally: &mut Tally,
) {
    let mut starts: BTreeMap<Attempt<'_>, Vec<Uuid>> = BTreeMap::new();
    let mut effects: BTreeMap<Attempt<'_>, u64> = BTreeMap::new();
    let mut keys: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &evidence.entries {
        match entry {
            Entry::Start { worker, execution, path, attempt, missing } => {
                starts.entry((*execution, path, *attempt)).or_default().push(*worker);
                judge_start((*execution, path), missing.as_deref(), forecasts, tally);
            }
            Entry::Effect { key, execution, path, attempt, .. } => {
                *effects.entry((*execution, path, *attempt)).or_default() += 1;
                *keys.entry(key).or_default() += 1;
                tally.test(KEYS, is_planned(key, forecasts), || {
                    format!("{key}: no workflow has an effect with this key")
                });
            }
            // Another rule is about it.
            Entry::Part { .. } => {}
            Entry::StaleCommit { worker, is_accepted } => {
                tally.test(STALE, !is_accepted, || format!("{worker}: a commit of this dead worker was taken"));
            }
        }
    }
    let lost = judge_repeats(&starts, snapshot, tally);
    judge_effects(&effects, &lost, tally);
    judge_told(&starts, snapshot, forecasts, tally);
    tally.count("lost_attempts", lost.values().map(|count| usize::try_from(*count).unwrap_or(0)).sum());
    tally.count("effects", effects.len());
}

fn judge_start(
    (execution, path): (Uuid, &str),
    missing: Option<&[String]>,
    forecasts: &BTreeMap<Uuid, Forecast>,
    tally: &mut Tally,
) {
    let Some(missing) = missing else { return tally.count("starts_unseen", 1) };
    let Some(forecast) = forecasts.get(&execution).and_then(|forecast| Some((forecast, forecast.paths.get(path)?)))
    else {
        return;
    };
    let (all, own) = forecast;
    // What was skipped follows from facts, and is only stored along with them.
    let must = |before: &&String| {
        own.before.contains(*before) && all.paths.get(*before).is_some_and(|earlier| earlier.end.has_run())
    };
    let absent: Vec<&String> = missing.iter().filter(must).collect();
    tally.test(DURABLE, absent.is_empty(), || {
        format!("{execution} {path}: it started, and {absent:?} was not committed")
    });
}

/// Whether some workflow has an effect with this key.
fn is_planned(key: &str, forecasts: &BTreeMap<Uuid, Forecast>) -> bool {
    let Some((id, path)) = key.split_once('/') else { return false };
    let forecast = id.parse().ok().and_then(|id: Uuid| forecasts.get(&id));
    let planned = forecast.and_then(|forecast| forecast.paths.get(path)).map(|path| &path.kind);
    matches!(planned, Some(Kind::Agent { is_effect: true }))
}

/// How often each attempt was lost: two workers started it, and one of them is dead. (One that was paused may tell of a
/// start after another took over.)
fn judge_repeats<'a>(
    starts: &BTreeMap<Attempt<'a>, Vec<Uuid>>,
    snapshot: &Snapshot,
    tally: &mut Tally,
) -> BTreeMap<Attempt<'a>, u64> {
    let mut lost = BTreeMap::new();
    for (attempt, workers) in starts {
        for (n, (before, again)) in workers.iter().zip(workers.iter().skip(1)).enumerate() {
            let is_first = workers.iter().take(n + 1).all(|worker| worker != again);
            let holds = is_first && (snapshot.is_dead(before) || snapshot.is_dead(again));
            tally.test(REPEATS, holds, || {
                let (execution, path, attempt) = attempt;
                let state = if snapshot.is_dead(before) { "dead" } else { "alive" };
                format!(
                    "{execution} {path}, attempt {attempt}: {again} started it again, and {before}, who had, is {state}"
                )
            });
            if holds {
                *lost.entry(*attempt).or_default() += 1;
            }
        }
    }
    lost
}

fn judge_effects(effects: &BTreeMap<Attempt<'_>, u64>, lost: &BTreeMap<Attempt<'_>, u64>, tally: &mut Tally) {
    let mut repeated = 0;
    for (attempt, times) in effects {
        let (execution, path, number) = attempt;
        let excused = lost.get(attempt).copied().unwrap_or_default();
        repeated += usize::try_from(times - 1).unwrap_or(0);
        tally.test(DUPLICATES, times - 1 <= excused, || {
            format!("{execution} {path}, attempt {number}: it came {times} times, and was lost {excused} times")
        });
    }
    tally.count("effects_repeated", repeated);
}

/// A result of an agent that nobody started was made up.
fn judge_told(
    starts: &BTreeMap<Attempt<'_>, Vec<Uuid>>,
    snapshot: &Snapshot,
    forecasts: &BTreeMap<Uuid, Forecast>,
    tally: &mut Tally,
) {
    let told: BTreeSet<&Attempt<'_>> = starts.keys().collect();
    for (id, forecast) in forecasts {
        for step in snapshot.steps.get(id).into_iter().flatten().filter(|step| step.has_run()) {
            let is_agent = |path: &crate::program::forecast::PathForecast| matches!(path.kind, Kind::Agent { .. });
            // An attempt whose time ran out before its agent could tell of it is none that was made up.
            if forecast.paths.get(&step.path).is_some_and(is_agent) && step.error_code.as_deref() != Some("timeout") {
                let attempt = (*id, step.path.as_str(), step.attempt.unsigned_abs());
                tally.test(TOLD, told.contains(&attempt), || {
                    format!(
                        "{id} {}, attempt {}: it is {}, and nobody started it",
                        step.path, step.attempt, step.status
                    )
                });
            }
        }
    }
}
