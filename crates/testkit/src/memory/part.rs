//! The parts of steps, recorded one by one under the lease of their worker.

use async_trait::async_trait;
use turbocat_domain::{
    id::WorkerId,
    port::{PartJournal, PartOutcome, PartRecord, Result, StepPart, StepPlace},
    usage::Charge,
};

use super::MemoryStore;

#[async_trait]
impl PartJournal for MemoryStore {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        let state = self.state();
        let records = state.engine.parts.get(&step.execution_id).into_iter().flatten();
        Ok(records.filter(|record| record.path == step.path).map(|record| record.part.clone()).collect())
    }

    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        (part, charge): (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        let (recorded_at, mut state) = (self.now(), self.state());
        let engine = &mut state.engine;
        if !engine.is_alive(worker) {
            return Ok(PartOutcome::Fenced);
        }
        if engine.owned_by(step.execution_id, worker).is_none() {
            return Ok(PartOutcome::NotOwned);
        }
        engine.settle(step, &part.key);
        let records = engine.parts.entry(step.execution_id).or_default();
        let is_same = |record: &&PartRecord| record.path == step.path && record.part.key == part.key;
        if let Some(stands) = records.iter().find(is_same) {
            return Ok(PartOutcome::Stands(stands.part.data.clone()));
        }
        let seq = u64::try_from(records.len()).unwrap_or(u64::MAX) + 1;
        records.push(PartRecord { seq, path: step.path.clone(), part: part.clone(), recorded_at });
        if let Some(charge) = charge {
            engine.charge(step, charge, recorded_at);
        }
        Ok(PartOutcome::Stands(part.data.clone()))
    }
}
