//! What an agent has at hand that another agent calls.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    agent::Agent,
    port::{AttemptHost, Reservation, StepPart, WorkflowCall},
    step_run::StepError,
    usage::Charge,
};

/// The host of an agent that is called as a tool: what it records stands below the call.
#[derive(Debug)]
pub(super) struct Within {
    pub(super) host: Arc<dyn AttemptHost>,
    pub(super) prefix: String,
}

impl Within {
    fn below(&self, key: &str) -> String {
        format!("{}/{key}", self.prefix)
    }
}

#[async_trait]
impl AttemptHost for Within {
    async fn recorded(&self) -> Result<Vec<StepPart>, StepError> {
        let below = self.below("");
        let all = self.host.recorded().await?.into_iter();
        let own = all.filter_map(|part| Some(StepPart { key: part.key.strip_prefix(&below)?.to_owned(), ..part }));
        Ok(own.collect())
    }

    async fn reserve(&self, turn: Reservation) -> Result<(), StepError> {
        self.host.reserve(Reservation { key: self.below(&turn.key), ..turn }).await
    }

    async fn record(&self, part: StepPart, charge: Option<Charge>) -> Result<Value, StepError> {
        self.host.record(StepPart { key: self.below(&part.key), ..part }, charge).await
    }

    async fn agent(&self, name: &str) -> Result<Arc<Agent>, StepError> {
        self.host.agent(name).await
    }

    async fn run_workflow(&self, call: WorkflowCall) -> Result<Value, StepError> {
        self.host.run_workflow(WorkflowCall { key: self.below(&call.key), ..call }).await
    }
}
