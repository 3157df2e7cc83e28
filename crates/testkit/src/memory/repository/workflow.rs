//! The workflows with their steps, in a unit of work.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{UserId, WorkflowId},
    port::{RepositoryError, Result, WorkflowRepository},
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

use super::super::{row::Row, tables::Tables, unit_of_work::MemoryUnitOfWork};

const STEP: &str = "workflow_step";

#[async_trait]
impl WorkflowRepository for MemoryUnitOfWork {
    async fn insert(&mut self, workflow: &Workflow, steps: &[WorkflowStep]) -> Result<()> {
        let (workflow, steps, began_at) = (workflow.clone(), steps.to_vec(), self.began_at);
        self.apply(move |tables| {
            tables.insert(std::slice::from_ref(&workflow))?;
            tables.put_steps(workflow.id, &steps)?;
            tables.begin_schedule(workflow.id, began_at);
            Ok(())
        })
    }

    async fn save(&mut self, workflow: &Workflow, now: DateTime<Utc>) -> Result<()> {
        let (workflow, began_at) = (workflow.clone(), self.began_at);
        self.apply(move |tables| {
            // Before the name changes, under which it is found.
            tables.end_schedule(workflow.id, began_at);
            tables.save(&workflow, now)?;
            tables.begin_schedule(workflow.id, began_at);
            Ok(())
        })
    }

    async fn replace_steps(&mut self, id: WorkflowId, steps: &[WorkflowStep]) -> Result<()> {
        let steps = steps.to_vec();
        self.apply(move |tables| tables.put_steps(id, &steps))
    }

    async fn delete(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
        let began_at = self.began_at;
        self.apply(move |tables| {
            tables.end_schedule(id, began_at);
            tables.delete::<Workflow>(id, now)
        })
    }

    async fn restore(&mut self, id: WorkflowId, now: DateTime<Utc>) -> Result<()> {
        let began_at = self.began_at;
        self.apply(move |tables| {
            tables.restore::<Workflow>(id, now)?;
            tables.begin_schedule(id, began_at);
            Ok(())
        })
    }

    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Workflow>> {
        self.lock_name((Workflow::ENTITY, owner, name.to_owned())).await?;
        Ok(self.view.latest(owner, name).cloned())
    }
}

impl Tables {
    /// Writes the steps of a workflow, in place of those that it had.
    fn put_steps(&mut self, id: WorkflowId, steps: &[WorkflowStep]) -> Result<()> {
        let others = self.steps.iter().filter(|(workflow, _)| **workflow != id);
        let mut ids: BTreeSet<_> = others.flat_map(|(_, steps)| steps.iter().map(|step| step.id)).collect();
        let mut keys = BTreeSet::new();
        for step in steps {
            if !ids.insert(step.id) || !keys.insert(&step.step_key) {
                return Err(RepositoryError::AlreadyExists { entity: STEP });
            }
            let agent = step.agent_id.is_none_or(|agent| self.agents.contains(agent));
            if step.workflow_id != id || !agent || !self.workflows.contains(id) {
                return Err(RepositoryError::BrokenReference { entity: STEP });
            }
        }
        let mut steps = steps.to_vec();
        steps.sort_by_key(|step| step.position);
        Arc::make_mut(&mut self.steps).insert(id, Arc::new(steps));
        Ok(())
    }
}
