//! Rules, how often each was put to the test, and where it was broken.

use std::collections::BTreeMap;

use serde::Serialize;

/// So many broken places are told of one rule.
const EXAMPLES_MAX: usize = 20;

/// One rule, how often it was put to the test, and how often it was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at, in snake case.
    pub(crate) name: &'static str,
    /// How often.
    pub(crate) tried: u64,
    /// How often it was broken.
    pub(crate) broken: u64,
    /// Where, what was expected and what was there; a few of them.
    pub(crate) examples: Vec<String>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    /// One a rule.
    pub(crate) checks: Vec<Finding>,
    /// What else was counted, by name.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Times from the kill of a worker until others had what it owned: the 99th percentile, in milliseconds.
    pub(crate) takeover_p99_ms: Option<u64>,
    /// The same for workers that were paused beyond their lease.
    pub(crate) takeover_pause_p99_ms: Option<u64>,
}

impl Findings {
    /// A rule; nothing of one that was never looked at.
    pub(crate) fn get(&self, name: &str) -> Option<&Finding> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// Findings as they come up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    checks: BTreeMap<&'static str, Finding>,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Puts a rule to the test once.
    pub(crate) fn test(&mut self, name: &'static str, holds: bool, example: impl FnOnce() -> String) {
        let finding = self.checks.entry(name).or_insert_with(|| Finding { name, ..Finding::default() });
        finding.tried += 1;
        if !holds {
            finding.broken += 1;
            if finding.examples.len() < EXAMPLES_MAX {
                finding.examples.push(example());
            }
        }
    }

    /// Names a rule, so that it is seen if it is never put to the test.
    pub(crate) fn expect(&mut self, name: &'static str) {
        self.checks.entry(name).or_insert_with(|| Finding { name, ..Finding::default() });
    }

    /// Counts something that is no rule.
    pub(crate) fn count(&mut self, name: &'static str, times: usize) {
        *self.counts.entry(name).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
    }

    /// How often rules were broken so far.
    #[cfg(test)]
    pub(crate) fn broken(&self) -> u64 {
        self.checks.values().map(|finding| finding.broken).sum()
    }

    /// All that was found.
    pub(crate) fn findings(self) -> Findings {
        let checks = self.checks.into_values().collect();
        Findings { checks, counts: self.counts, ..Findings::default() }
    }
}
