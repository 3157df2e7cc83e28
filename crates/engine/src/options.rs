//! What an engine is given: its settings, and the ports through which it reaches the world.

use std::{sync::Arc, time::Duration};

use turbocat_domain::{
    limits,
    port::{
        AgentRunner, BudgetLedger, CounterRepository, EventQueries, ExecutionQueue, IdGenerator, Journal, LogWriter,
        PartJournal, PermitLedger, Queries, ScheduleRepository, SchemaValidator, WorkerRepository,
    },
};

/// The settings of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Who it is, for people: host and process.
    pub name: String,
    /// How long it may go unheard of before others take its executions over.
    pub lease: Duration,
    /// How much earlier it stops to trust its own lease.
    pub lease_margin: Duration,
    /// How many executions it holds in memory at once.
    pub max_executions: usize,
    /// How many executions one claim asks for at most.
    pub claim_batch: u32,
    /// How often it looks for due executions and for mail while it has work.
    pub busy_poll: Duration,
    /// How often it looks for due executions while it has none. What it knows to become due, and what it is told
    /// of, does not wait for that.
    pub idle_poll: Duration,
    /// How often it looks for dead workers.
    pub takeover_poll: Duration,
    /// A wait that is longer than this leaves memory, if nothing else is going on in its execution.
    pub park_after: Duration,
    /// A step that takes longer gets a record while it runs.
    pub visible_after: Duration,
    /// How often an execution may be taken over from dead workers without progress.
    pub takeovers_max: u32,
    /// How deep executions may start executions.
    pub child_depth_max: u16,
    /// How many commits to the journal are under way at once at most, each on a connection of its own: 1 or more. Where
    /// several workers share the database, each has fewer.
    pub journal_lanes: usize,
    /// How many records one commit takes at most.
    pub batch_records_max: usize,
    /// How many bytes of outputs one commit takes, roughly.
    pub batch_bytes_max: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            name: "turbocat".to_owned(),
            lease: Duration::from_secs(10),
            lease_margin: Duration::from_secs(1),
            max_executions: 2_000,
            claim_batch: 500,
            busy_poll: Duration::from_secs(1),
            // With the look for dead workers and the roll-up of metrics: one query a second.
            idle_poll: Duration::from_millis(2_200),
            takeover_poll: Duration::from_secs(2),
            park_after: Duration::from_secs(5),
            visible_after: Duration::from_millis(250),
            takeovers_max: limits::TAKEOVERS_DEFAULT,
            child_depth_max: limits::CHILD_DEPTH_DEFAULT,
            journal_lanes: 2,
            batch_records_max: 4_000,
            batch_bytes_max: 8 * 1024 * 1024,
        }
    }
}

impl EngineOptions {
    /// How often the lease is renewed.
    pub(crate) fn renew_every(&self) -> Duration {
        self.lease / 3
    }

    /// How long the lease is trusted, counted from when it was asked for.
    pub(crate) fn trust(&self) -> Duration {
        self.lease.saturating_sub(self.lease_margin)
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The world, as the engine sees it.
#[derive(Clone)]
pub struct Ports {
    /// The leases of the workers.
    pub workers: Arc<dyn WorkerRepository>,
    /// The queue of executions.
    pub queue: Arc<dyn ExecutionQueue>,
    /// The schedules to fire.
    pub schedules: Arc<dyn ScheduleRepository>,
    /// Where results are committed.
    pub journal: Arc<dyn Journal>,
    /// Where the parts of steps are recorded.
    pub parts: Arc<dyn PartJournal>,
    /// What turns of models are held against.
    pub budgets: Arc<dyn BudgetLedger>,
    /// How often agents run at once.
    pub permits: Arc<dyn PermitLedger>,
    /// What executions wait for.
    pub events: Arc<dyn EventQueries>,
    /// Where the lines that agents print go.
    pub logs: Arc<dyn LogWriter>,
    /// The metrics to roll up.
    pub counters: Arc<dyn CounterRepository>,
    /// The read side: workflows, agents, executions.
    pub queries: Arc<dyn Queries>,
    /// Runs agents.
    pub runner: Arc<dyn AgentRunner>,
    /// Checks the inputs of child executions.
    pub schemas: Arc<dyn SchemaValidator>,
    /// Mints ids.
    pub ids: Arc<dyn IdGenerator>,
}
