//! What was measured, for programs and for people.

mod table;

use serde::Serialize;

use crate::{machine::Machine, stats::median};

pub(crate) use self::table::print;

/// All that a run of the bench has to say.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// What was measured.
    pub(crate) workloads: Vec<Workload>,
}

impl Report {
    /// Whether every target was met.
    pub(crate) fn all_met(&self) -> bool {
        self.workloads.iter().flat_map(|workload| &workload.targets).all(|target| target.met)
    }
}

/// A workload: the median of its rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Workload {
    /// What it is called.
    pub(crate) name: String,
    /// The figures that every workload has, as far as they make sense for it.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// Steps a second of the limit.
    pub(crate) limit_steps_per_s: Option<f64>,
    /// All figures of the limit.
    pub(crate) limit: Figures,
    /// The engine's rate, or latency, as a multiple of the limit's in the same round.
    pub(crate) ratio_to_limit: Option<f64>,
    /// What else there is to know: how the limit was reached, what the figures mean.
    pub(crate) notes: Vec<String>,
    /// What should be so.
    pub(crate) targets: Vec<Target>,
}

/// The figures that every workload has; those that make no sense for it are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Steps whose end was committed, a second.
    pub(crate) steps_per_s: Option<f64>,
    /// Executions whose end was committed, a second.
    pub(crate) executions_per_s: Option<f64>,
    /// From bringing an execution to its end being committed, in milliseconds: half of them are faster.
    pub(crate) p50_ms: Option<f64>,
    /// The same: 99 of 100 are faster.
    pub(crate) p99_ms: Option<f64>,
    /// Transactions of the database.
    pub(crate) commits_per_step: Option<f64>,
    /// Statements of the engine.
    pub(crate) round_trips_per_step: Option<f64>,
    /// Bytes of WAL.
    pub(crate) wal_bytes_per_step: Option<f64>,
    /// Rows that were inserted, updated and deleted.
    pub(crate) rows_per_step: Option<f64>,
    /// CPU time of all processes of the server, in microseconds.
    pub(crate) server_cpu_us_per_step: Option<f64>,
    /// CPU time of the engine's process without the thread of the load, in microseconds.
    pub(crate) engine_cpu_us_per_step: Option<f64>,
    /// The most memory that the engine's process has held, in bytes; the load's is in it.
    pub(crate) rss_bytes_max: Option<f64>,
}

impl Figures {
    /// The median of each figure over the rounds.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> Option<f64>| median(&rounds.iter().filter_map(figure).collect::<Vec<_>>());
        Self {
            steps_per_s: of(|round| round.steps_per_s),
            executions_per_s: of(|round| round.executions_per_s),
            p50_ms: of(|round| round.p50_ms),
            p99_ms: of(|round| round.p99_ms),
            commits_per_step: of(|round| round.commits_per_step),
            round_trips_per_step: of(|round| round.round_trips_per_step),
            wal_bytes_per_step: of(|round| round.wal_bytes_per_step),
            rows_per_step: of(|round| round.rows_per_step),
            server_cpu_us_per_step: of(|round| round.server_cpu_us_per_step),
            engine_cpu_us_per_step: of(|round| round.engine_cpu_us_per_step),
            rss_bytes_max: of(|round| round.rss_bytes_max),
        }
    }
}

/// A figure that should be no more, or no less, than a bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Target {
    /// What it is about.
    pub(crate) name: String,
    /// What was measured.
    pub(crate) value: f64,
    /// What it may be.
    pub(crate) bound: f64,
    /// Whether the bound is the least (`min`) or the most (`max`).
    pub(crate) kind: TargetKind,
    /// Whether it is so.
    pub(crate) met: bool,
}

/// On which side of the bound a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetKind {
    /// It should be no less.
    Min,
    /// It should be no more.
    Max,
}

impl Target {
    /// It should be no less than the bound.
    pub(crate) fn at_least(name: impl Into<String>, value: f64, bound: f64) -> Self {
        Self { name: name.into(), value, bound, kind: TargetKind::Min, met: value >= bound }
    }

    /// It should be no more than the bound.
    pub(crate) fn at_most(name: impl Into<String>, value: f64, bound: f64) -> Self {
        Self { name: name.into(), value, bound, kind: TargetKind::Max, met: value <= bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_rounds_leaves_out_what_no_round_has() {
        let round = |steps| Figures { steps_per_s: Some(steps), ..Figures::default() };

        let median = Figures::median(&[round(3.0), round(1.0), round(2.0)]);

        assert_eq!(median, round(2.0));
    }

    #[test]
    fn a_target_is_met_at_its_bound_and_missed_past_it() {
        assert!(Target::at_least("rate", 2.0, 2.0).met && !Target::at_least("rate", 1.9, 2.0).met);
        assert!(Target::at_most("cost", 2.0, 2.0).met && !Target::at_most("cost", 2.1, 2.0).met);
    }

    #[test]
    fn every_workload_has_all_fields_in_json() {
        let workload = Workload { name: "chain".to_owned(), ..Workload::default() };

        let json = serde_json::to_value(&workload).unwrap();

        for field in ["steps_per_s", "p99_ms", "limit_steps_per_s", "ratio_to_limit", "rss_bytes_max", "targets"] {
            assert!(json.get(field).is_some(), "{field} is missing: {json}");
        }
    }
}
