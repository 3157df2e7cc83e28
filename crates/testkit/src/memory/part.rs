//! The parts of steps, recorded one by one under the lease of their worker.

use async_trait::async_trait;
use turbocat_domain::{
    id::WorkerId,
    port::{PartJournal, PartOutcome, Result, StepPart, StepPlace},
};

use super::MemoryStore;

#[async_trait]
impl PartJournal for MemoryStore {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        let state = self.state();
        let parts = state.engine.parts.get(&step.execution_id).and_then(|steps| steps.get(&step.path));
        Ok(parts.cloned().unwrap_or_default())
    }

    async fn record_part(&self, worker: WorkerId, step: &StepPlace, part: &StepPart) -> Result<PartOutcome> {
        let mut state = self.state();
        let engine = &mut state.engine;
        if !engine.is_alive(worker) {
            return Ok(PartOutcome::Fenced);
        }
        if engine.owned_by(step.execution_id, worker).is_none() {
            return Ok(PartOutcome::NotOwned);
        }
        let parts = engine.parts.entry(step.execution_id).or_default().entry(step.path.clone()).or_default();
        if let Some(stands) = parts.iter().find(|stands| stands.key == part.key) {
            return Ok(PartOutcome::Stands(stands.data.clone()));
        }
        parts.push(part.clone());
        Ok(PartOutcome::Stands(part.data.clone()))
    }
}
