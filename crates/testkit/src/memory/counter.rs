//! The metrics of workflows, agents and deployments, folded from facts.

use async_trait::async_trait;
use turbocat_domain::{
    deployment::DeploymentStatus,
    execution::deployment_of,
    id::DeploymentId,
    port::{CounterRepository, Result},
};

use super::{
    MemoryStore,
    engine::{Delta, Engine, Target},
    tables::Tables,
};

#[async_trait]
impl CounterRepository for MemoryStore {
    async fn fold(&self) -> Result<u64> {
        let (now, mut state) = (self.now(), self.state());
        let deltas = std::mem::take(&mut state.engine.deltas);
        for delta in &deltas {
            state.tables.count(delta);
        }
        for delta in &deltas {
            // What is stopping has stopped with the end of its last execution, as any change is seen.
            if let Target::Deployment(id) = delta.target
                && !state.engine.has_live(id)
            {
                state.tables.deployments.change(id, |deployment| {
                    if deployment.status == DeploymentStatus::Stopping {
                        deployment.status = DeploymentStatus::Stopped;
                        deployment.updated_at = now;
                    }
                });
            }
        }
        // Units of work under way see the new metrics, and do not write the old ones back.
        state.commits += 1;
        Ok(u64::try_from(deltas.len()).unwrap_or(u64::MAX))
    }
}

impl Engine {
    /// Whether an execution of a deployment has not ended.
    fn has_live(&self, id: DeploymentId) -> bool {
        let mut executions = self.executions.values().map(|row| &row.execution);
        executions.any(|one| !one.status.is_terminal() && deployment_of(&one.trigger_data) == Some(id))
    }
}

impl Tables {
    /// Takes a fact into the metrics of what it belongs to.
    fn count(&mut self, delta: &Delta) {
        let (successful, failed) = if delta.succeeded { (1, 0) } else { (0, 1) };
        match delta.target {
            Target::Workflow(id) => self.workflows.change(id, |workflow| {
                workflow.count((successful, failed), delta.duration_ms, delta.at);
            }),
            Target::Deployment(id) => self.deployments.change(id, |deployment| {
                deployment.count((successful, failed), delta.duration_ms);
            }),
            Target::Agent(id) => self.agents.change(id, |agent| agent.count(successful, failed, delta.duration_ms)),
        }
    }
}
