//! Running an agent: what the engine asks for, and what comes back.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    agent::Agent,
    execution_log::LogLevel,
    id::{ExecutionId, UserId},
    step_run::StepError,
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
}

impl AgentCall {
    /// The key that stays the same over all attempts, for the other side to recognise a repetition.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.execution_id.as_uuid(), self.path)
    }
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
