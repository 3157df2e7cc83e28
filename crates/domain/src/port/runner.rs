//! Running an agent: what the engine asks for, and what comes back.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use super::{Reservation, StepPart};
use crate::{
    agent::Agent,
    execution_log::LogLevel,
    id::{ExecutionId, UserId},
    step_run::StepError,
    usage::Charge,
};

/// One attempt of an agent step.
#[derive(Debug, Clone)]
pub struct AgentCall {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Whose execution it is: their secrets are what it may use.
    pub user_id: UserId,
    /// The path of the step.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// The agent.
    pub agent: Arc<Agent>,
    /// What it is given: the step's inputs, over the agent's parameters.
    pub inputs: Value,
    /// How long it may take: the smaller of the step's and the agent's limit.
    pub timeout_ms: u64,
    /// What it may write down and ask for on its way.
    pub host: Arc<dyn AttemptHost>,
}

impl AgentCall {
    /// The key that stays the same over all attempts, for the other side to recognise a repetition.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.execution_id.as_uuid(), self.path)
    }
}

/// A workflow that an attempt wants to be run, as a child of its execution.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowCall {
    /// The name of the call in its step: the same call of another attempt is the same child.
    pub key: String,
    /// The workflow, by its name or by the id of a version.
    pub workflow: String,
    /// What it is given.
    pub inputs: Value,
    /// Whether its end is waited for; otherwise the answer is which execution was started.
    pub waits: bool,
}

/// The code of the error of an attempt that waits for a budget.
pub const BUDGET_EXCEEDED: &str = "budget_exceeded";

/// What an attempt has at hand while it runs. All attempts of a step share what they record.
#[async_trait]
pub trait AttemptHost: Send + Sync + fmt::Debug {
    /// What was recorded of the step so far, by this attempt and by those before it, in its order.
    ///
    /// # Errors
    ///
    /// A transient one if it cannot be read.
    async fn recorded(&self) -> Result<Vec<StepPart>, StepError>;

    /// Reserves what a turn of a model may use, before it is taken.
    ///
    /// # Errors
    ///
    /// [`BUDGET_EXCEEDED`] if a budget has not enough left: the attempt MUST end with this very error at once, and the
    /// step goes on where it was when there is more.
    async fn reserve(&self, turn: Reservation) -> Result<(), StepError>;

    /// Records a part of the step, with what it is charged, and returns what is durable under its key now. That is what the attempt MUST go
    /// on with: another attempt may have come first.
    ///
    /// # Errors
    ///
    /// A transient one if the worker lost the execution meanwhile; a permanent one if the part is too large, or storage
    /// refuses it.
    async fn record(&self, part: StepPart, charge: Option<Charge>) -> Result<Value, StepError>;

    /// The active agent of a name, as the owner of the step's agent sees it; a version is named by its id.
    ///
    /// # Errors
    ///
    /// `agent_not_found` if there is none.
    async fn agent(&self, name: &str) -> Result<Arc<Agent>, StepError>;

    /// Runs a workflow as a child execution, and waits for its output. The same call is the same child, however often
    /// it is made.
    ///
    /// # Errors
    ///
    /// Why it cannot be started, or did not complete.
    async fn run_workflow(&self, call: WorkflowCall) -> Result<Value, StepError>;
}

/// Takes the lines that an agent writes while it runs.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait LogSink: Send + Sync {
    /// Takes one line. Never blocks; lines past a limit are dropped and counted.
    fn log(&self, level: LogLevel, message: &str);
}

/// Runs agents.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AgentRunner: Send + Sync {
    /// Runs one attempt and returns the answer.
    ///
    /// Dropping the future is how an attempt is cancelled and timed out: the runner MUST release everything
    /// that the attempt holds (processes, connections) when that happens. The caller holds no transaction.
    ///
    /// # Errors
    ///
    /// A [`StepError`] that says whether another attempt may help.
    async fn run(&self, call: AgentCall, log: Arc<dyn LogSink>) -> Result<Value, StepError>;
}
