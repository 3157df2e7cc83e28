//! What the model says about one execution.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How an execution must end, as far as nothing races.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Forecast {
    /// The statuses that it may end with.
    pub(crate) statuses: BTreeSet<&'static str>,
    /// The pattern of its output, if it completes.
    pub(crate) output: Value,
    /// The codes that it may fail with.
    pub(crate) codes: BTreeSet<String>,
    /// Its steps, by path.
    pub(crate) paths: BTreeMap<String, PathForecast>,
    /// How many steps the workflow has outside of bodies.
    pub(crate) steps_total: u32,
}

/// How a step must end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PathForecast {
    /// How it ends if nothing cuts it short.
    pub(crate) end: End,
    /// What it does.
    pub(crate) kind: Kind,
    /// The attempts that this takes.
    pub(crate) attempts: u16,
    /// The least delay after each failed attempt but the last, in milliseconds.
    pub(crate) delays_ms: Vec<u64>,
    /// The paths that end before it starts, if it starts.
    pub(crate) before: BTreeSet<String>,
    /// Whether it may be cut short.
    pub(crate) may_be_cancelled: bool,
    /// Whether it may never come up.
    pub(crate) may_be_absent: bool,
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It completes with an output of this pattern.
    Completed(Value),
    /// It fails with one of these codes.
    Failed(BTreeSet<String>),
    /// It is skipped for one of these reasons.
    Skipped(Vec<&'static str>),
    /// It never ends by itself.
    Never,
}

/// What a step does, as far as it matters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Runs an agent of the chaos; whether that changes the world outside.
    Agent { is_effect: bool },
    /// Runs another workflow with an input.
    Child { workflow: String, input: Value },
    /// Waits so long at least, in milliseconds.
    Timer(u64),
    /// Anything else.
    Other,
}

/// All reasons for which a step may be skipped.
pub(crate) const REASONS: [&str; 4] = ["condition_unmet", "dependency_skipped", "if_false", CANCELLED];
/// The reason of what was cut short, and the status of what somebody ended.
pub(crate) const CANCELLED: &str = "cancelled";

impl End {
    /// A failure with this code.
    pub(crate) fn failed(code: &str) -> Self {
        Self::Failed(BTreeSet::from([code.to_owned()]))
    }

    /// Whether the step ran.
    pub(crate) const fn has_run(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_))
    }
}

impl Forecast {
    /// The same, if somebody may end the execution at any time.
    pub(crate) fn cut_short(mut self) -> Self {
        self.statuses.insert(CANCELLED);
        self.soften("");
        self
    }

    /// Whether nothing of it races.
    pub(crate) fn is_exact(&self) -> bool {
        self.statuses.len() == 1 && self.paths.values().all(|path| !path.may_be_cancelled && !path.may_be_absent)
    }

    /// A step, and what is in its bodies, may be cut short; with an empty path, all of them.
    pub(crate) fn soften(&mut self, step: &str) {
        for (path, forecast) in &mut self.paths {
            let is_within = step.is_empty() || path.strip_prefix(step).is_some_and(|rest| rest.starts_with(['.', '[']));
            if path == step || is_within {
                forecast.may_be_cancelled = true;
                forecast.may_be_absent |= path != step && path.contains(['.', '[']);
            }
        }
    }
}
