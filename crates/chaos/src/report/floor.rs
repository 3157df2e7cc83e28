//! How often things must have happened for a run to say anything.

use crate::{
    evidence::Evidence,
    oracle::{Findings, RULES},
};

use super::Setting;

/// Something that must have happened so often.
struct Floor {
    what: &'static str,
    a_minute: f64,
    count: u64,
    /// The faults of which one at least must be injected for it; none if it needs none.
    needs: &'static [&'static str],
}

/// Any of these leaves commits of unknown outcome.
const AMBIGUOUS: &[&str] = &["reply_lost", "commit_lost"];
/// Any of these takes its executions from a worker.
const TAKEOVERS: &[&str] = &["kill_worker", "kill_acceptor", "pause"];

/// Rules that are put to the test only if faults of these kinds are injected.
const BY_FAULTS: [(&str, &[&str]); 4] = [
    ("stale_commits", TAKEOVERS),
    ("takeover_after_kill", &["kill_worker", "kill_acceptor"]),
    ("takeover_after_pause", &["pause"]),
    ("attempts_repeated", TAKEOVERS),
];

/// What was not often enough, and what nothing was asked of.
pub(super) fn look(setting: &Setting, evidence: &Evidence, findings: &Findings) -> (Vec<String>, Vec<String>) {
    let (mut too_few, mut waived) = (Vec::new(), Vec::new());
    let is_injected = |needs: &[&str]| needs.is_empty() || needs.iter().any(|fault| setting.faults.contains(*fault));
    for floor in floors(evidence, findings) {
        let Floor { what, a_minute, count, needs } = floor;
        if !is_injected(needs) {
            waived.push(format!("{what}: {} left out", needs.join(" and ")));
        } else if count == 0 || count_is_below(count, a_minute * setting.minutes) {
            too_few.push(format!("{what}: {count}, at least {:.0} are needed", (a_minute * setting.minutes).max(1.0)));
        }
    }
    for rule in RULES {
        let needs = BY_FAULTS.iter().find(|(name, _)| *name == rule).map_or(&[][..], |(_, needs)| needs);
        let tried = findings.get(rule).map_or(0, |finding| finding.tried);
        if tried == 0 && is_injected(needs) {
            too_few.push(format!("{rule}: it was never put to the test"));
        }
    }
    if evidence.is_interrupted {
        too_few.push("the run was stopped before its time".to_owned());
    }
    waived.extend(
        evidence.unavailable.iter().map(|(fault, reason)| format!("{fault}: it cannot be injected here: {reason}")),
    );
    for kind in &setting.faults {
        if evidence.faults.get(kind).copied().unwrap_or_default() == 0 && setting.minutes >= 1.0 {
            too_few.push(format!("{kind}: it was never injected"));
        }
    }
    (too_few, waived)
}

fn floors(evidence: &Evidence, findings: &Findings) -> Vec<Floor> {
    let count = |name: &str| findings.counts.get(name).copied().unwrap_or_default();
    let tried = |name: &str| findings.get(name).map_or(0, |finding| finding.tried);
    let takeovers = tried("takeover_after_kill") + tried("takeover_after_pause");
    let floor = |what, a_minute, count, needs| Floor { what, a_minute, count, needs };
    vec![
        floor("accepted executions", 100.0, count("accepted"), &[]),
        floor("stale commits", 50.0, tried("stale_commits"), TAKEOVERS),
        floor("commits of unknown outcome", 5.0, evidence.ambiguous_commits, AMBIGUOUS),
        floor("takeovers", 1.0, takeovers, TAKEOVERS),
        floor("effects", 50.0, count("effects"), &[]),
        floor("timers", 20.0, count("timers"), &[]),
        floor("retries", 10.0, count("retries"), &[]),
        floor("child executions", 5.0, count("children"), &[]),
        floor("cancelled executions", 1.0, count("cancelled"), &[]),
        floor("exact forecasts", 20.0, count("exact"), &[]),
    ]
}

/// Whether a count is below a floor that need not be whole.
fn count_is_below(count: u64, floor: f64) -> bool {
    u32::try_from(count).is_ok_and(|count| f64::from(count) < floor.floor())
}
