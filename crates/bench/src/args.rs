//! The command line of `turbocat bench`.

use std::time::Duration;

use clap::ValueEnum;

/// `turbocat bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Only these workloads
    #[arg(long = "workload", value_name = "NAME", value_delimiter = ',', value_enum)]
    pub(crate) workloads: Vec<WorkloadName>,
    /// How long each measurement of a round takes
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// How many rounds there are of the engine and the limit in turn; the median counts
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rounds: u32,
    /// How many executions of a chain are in flight at once; of a fan-out it is a tenth
    #[arg(long, default_value_t = 1_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) in_flight: u32,
    /// How many executions are asleep in the workload `sleepers`
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) sleepers: u64,
    /// How many old executions there are in the workloads `history` and `http`; several counts are measured after one another
    #[arg(long, default_value = "1000000", value_name = "COUNT", value_delimiter = ',')]
    pub(crate) history: Vec<u64>,
    /// How many schedules there are in the workload `schedules`
    #[arg(long, default_value_t = 100_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) schedules: u64,
    /// Start no engine: measure the one that serves the database, from outside (see the examples)
    #[arg(long, conflicts_with_all = ["workloads", "gates"])]
    pub(crate) attach: bool,
    /// Only check what a noisy machine cannot change: exit with 1 if a step costs more than it may
    #[arg(long)]
    pub(crate) gates: bool,
    /// With --gates: the CPU time of a step counts, too
    #[arg(long, requires = "gates")]
    pub(crate) gate_cpu: bool,
}

impl BenchArgs {
    /// The workloads that are wanted, in the order in which they are named.
    pub(crate) fn wanted(&self) -> &[WorkloadName] {
        if self.workloads.is_empty() { &WorkloadName::USUAL } else { &self.workloads }
    }

    /// How long each measurement of a round takes.
    pub(crate) const fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long a way of writing is tried before the best one is measured.
    pub(crate) fn tried(&self) -> Duration {
        (self.measured() / 5).max(Duration::from_millis(300))
    }

    /// How long a load goes on before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.measured() / 5).clamp(Duration::from_millis(300), Duration::from_secs(2))
    }
}

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkloadName {
    /// Chains of 10 steps, 1,000 executions in flight, against the same rows written by the fastest batches
    Chain,
    /// 40 steps at once and a join, 100 executions in flight, against the same rows written by the fastest batches
    Fanout,
    /// One execution at a time: a single step, a chain of 10, 40 steps and a join, against the commits that they need
    Single,
    /// One execution at a time of 40 light tasks in a row: what the engine adds
    Light,
    /// A map over 1,000 and over 10,000 items: what an item costs, in time and in memory
    Map,
    /// A million sleeping executions: the memory of the engine, and how fast they wake
    Sleepers,
    /// 100,000 schedules in four processes: how late ticks are, and all of them due at once
    Schedules,
    /// A process that has nothing to do: what it asks of the database, and what it costs
    Idle,
    /// Chains in 1, 2, 4 and 16 processes on one database
    Processes,
    /// A server over HTTP: starts against bare inserts, pages out of many executions, what a key costs; only if it is
    /// named
    Http,
    /// Chains with a million old executions in the tables, against the same without; only if it is named
    History,
}

impl WorkloadName {
    const USUAL: [Self; 9] = [
        Self::Chain,
        Self::Fanout,
        Self::Single,
        Self::Light,
        Self::Map,
        Self::Sleepers,
        Self::Schedules,
        Self::Idle,
        Self::Processes,
    ];
}
