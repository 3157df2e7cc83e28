//! The metrics of workflows and agents, folded from facts.

use async_trait::async_trait;
use turbocat_domain::port::{CounterRepository, Result};

use super::{
    MemoryStore,
    engine::{Delta, Target},
    tables::Tables,
};

#[async_trait]
impl CounterRepository for MemoryStore {
    async fn fold(&self) -> Result<u64> {
        let mut state = self.state();
        let deltas = std::mem::take(&mut state.engine.deltas);
        for delta in &deltas {
            state.tables.count(delta);
        }
        // Units of work under way see the new metrics, and do not write the old ones back.
        state.commits += 1;
        Ok(u64::try_from(deltas.len()).unwrap_or(u64::MAX))
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
            Target::Agent(id) => self.agents.change(id, |agent| agent.count(successful, failed, delta.duration_ms)),
        }
    }
}
