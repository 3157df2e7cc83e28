//! The report of a run, for programs and for people.
//!
//! A run is *valid* if every rule was put to the test often enough to say anything, and *ok* if none was broken. A
//! rule that nothing tried is no rule that holds.

mod floor;
mod page;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    evidence::Evidence,
    oracle::{Finding, Findings},
};

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The seed.
    pub(crate) seed: u64,
    /// How long orders were sent and faults injected.
    pub(crate) minutes: f64,
    /// The kinds of faults that were asked for and can be injected here.
    pub(crate) faults: BTreeSet<String>,
    /// What was tested: `git describe`, or the version.
    pub(crate) commit: String,
}

/// The report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    seed: u64,
    minutes: f64,
    commit: String,
    accepted: u64,
    lost: u64,
    terminal_twice: u64,
    results_twice: u64,
    stale_tried: u64,
    stale_accepted: u64,
    order_violations: u64,
    effects: u64,
    effects_unknown: u64,
    effects_duplicated: u64,
    lost_attempts: u64,
    timers: u64,
    timers_early: u64,
    fold_differences: u64,
    takeovers: u64,
    takeover_p99_ms: Option<u64>,
    takeover_pause_p99_ms: Option<u64>,
    orphaned_ms_max: u64,
    healed_ms: Option<u64>,
    ambiguous_commits: u64,
    faults: BTreeMap<String, u64>,
    /// What else was counted.
    counts: BTreeMap<&'static str, u64>,
    /// One a rule.
    findings: Vec<Finding>,
    /// What was not put to the test often enough.
    too_few: Vec<String>,
    /// What nothing was asked of, because its faults were left out.
    waived: Vec<String>,
    /// Whether all rules were put to the test often enough to say anything.
    pub(crate) valid: bool,
    /// Whether no rule was broken.
    pub(crate) ok: bool,
}

impl Report {
    /// Sums up a run.
    pub(crate) fn new(setting: &Setting, evidence: &Evidence, findings: Findings) -> Self {
        let broken = |name: &str| findings.get(name).map_or(0, |finding| finding.broken);
        let tried = |name: &str| findings.get(name).map_or(0, |finding| finding.tried);
        let count = |name: &str| findings.counts.get(name).copied().unwrap_or_default();
        let (too_few, waived) = floor::look(setting, evidence, &findings);
        Self {
            seed: setting.seed,
            minutes: setting.minutes,
            commit: setting.commit.clone(),
            accepted: count("accepted"),
            lost: broken("accepted_lost"),
            terminal_twice: broken("not_ended"),
            results_twice: broken("results_twice"),
            stale_tried: tried("stale_commits"),
            stale_accepted: broken("stale_commits"),
            order_violations: broken("successors_after_commit") + broken("journal_order"),
            effects: count("effects"),
            effects_unknown: broken("effects_unknown"),
            effects_duplicated: broken("effects_duplicated"),
            lost_attempts: count("lost_attempts"),
            timers: count("timers"),
            timers_early: broken("timers_early") + broken("retries_early"),
            fold_differences: broken("execution_fold") + broken("workflow_metrics") + broken("agent_metrics"),
            takeovers: tried("takeover_after_kill") + tried("takeover_after_pause"),
            takeover_p99_ms: findings.takeover_p99_ms,
            takeover_pause_p99_ms: findings.takeover_pause_p99_ms,
            orphaned_ms_max: evidence.orphaned_ms_max,
            healed_ms: evidence.healed_ms,
            ambiguous_commits: evidence.ambiguous_commits,
            faults: evidence.faults.clone(),
            valid: too_few.is_empty(),
            ok: findings.checks.iter().all(|finding| finding.broken == 0),
            counts: findings.counts,
            findings: findings.checks,
            too_few,
            waived,
        }
    }
}
