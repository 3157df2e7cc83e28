//! What the run leaves behind outside of the database: what was asked for and answered, what agents did, what was
//! broken. The checker holds it against the database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// An execution to be started, and what is done to it from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The id of the execution: it stays the same however often the order is sent.
    pub(crate) id: Uuid,
    /// The name of the workflow.
    pub(crate) workflow: String,
    /// Its input.
    pub(crate) input: Value,
    /// A cancel is asked for that long after it was accepted, in milliseconds.
    pub(crate) cancel_after_ms: Option<u64>,
    /// Events are sent that long after it was accepted: milliseconds, name, payload.
    pub(crate) events: Vec<(u64, String, Value)>,
    /// Decisions are sent to one step of the execution that long after it was accepted: milliseconds, the path of the
    /// step, the payload of an event named `approval` whose target is the execution and that path.
    pub(crate) approvals: Vec<(u64, String, Value)>,
}

/// What became of an order, as the one who sent it knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    /// The order.
    pub(crate) order: Order,
    /// Whether somebody answered that it is accepted.
    pub(crate) is_accepted: bool,
    /// Whether somebody answered that the cancel is asked for.
    pub(crate) is_cancel_answered: bool,
    /// Which of its events somebody answered to have stored.
    pub(crate) events_answered: Vec<bool>,
}

/// What a worker process tells the ledger, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// An attempt of an agent step starts.
    Start {
        /// The life of the worker (`workers.id`).
        worker: Uuid,
        /// The execution.
        execution: Uuid,
        /// The path of the step.
        path: String,
        /// The attempt.
        attempt: u16,
        /// Of the paths that had to be committed before (`inputs.after`), those that were looked for in the database
        /// itself and were not there; `None` if the database could not be asked.
        missing: Option<Vec<String>>,
    },
    /// An attempt changes the world outside of the database.
    Effect {
        /// The life of the worker.
        worker: Uuid,
        /// The idempotency key that was sent along: `execution/path`.
        key: String,
        /// The execution.
        execution: Uuid,
        /// The path of the step.
        path: String,
        /// The attempt.
        attempt: u16,
    },
    /// A step does something on its way that costs, or has recorded that it did.
    Part {
        /// The life of the worker.
        worker: Uuid,
        /// The execution.
        execution: Uuid,
        /// The path of the step.
        path: String,
        /// The key of the part.
        key: String,
        /// Whether it is durable, or about to be done.
        is_recorded: bool,
    },
    /// A commit was sent for a life that the database already calls dead.
    StaleCommit {
        /// The life of the worker.
        worker: Uuid,
        /// Whether the database took it.
        is_accepted: bool,
    },
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// What was sent.
    pub(crate) sent: Vec<Sent>,
    /// What the ledger was told, in its order.
    pub(crate) entries: Vec<Entry>,
    /// Faults by kind.
    pub(crate) faults: BTreeMap<String, u64>,
    /// COMMITs (and statements that commit) whose reply the proxy swallowed after, or cut off before, they were done.
    pub(crate) ambiguous_commits: u64,
    /// From the kill of a worker that owned executions until others had them all, in milliseconds.
    pub(crate) takeovers_after_kill_ms: Vec<u64>,
    /// The same for pauses beyond the lease.
    pub(crate) takeovers_after_pause_ms: Vec<u64>,
    /// The longest time in which a row was `running` with a dead owner, in milliseconds.
    pub(crate) orphaned_ms_max: u64,
    /// From the last fault until everything had ended, in milliseconds; `None` if it never did.
    pub(crate) healed_ms: Option<u64>,
    /// How often the database was looked at while that was watched for.
    pub(crate) samples: u64,
    /// The longest that a session was seen idle inside of a transaction, in milliseconds.
    pub(crate) idle_in_transaction_ms_max: u64,
    /// Faults that were asked for and that this machine cannot do, with the reason. They are not among `faults`.
    pub(crate) unavailable: BTreeMap<String, String>,
    /// Whether somebody stopped the run before its time: then it shows nothing.
    pub(crate) is_interrupted: bool,
}
