//! Reads workflows and their steps.

use async_trait::async_trait;
use turbocat_domain::{
    id::{UserId, WorkflowId},
    port::{Page, PageRequest, Result, WorkflowFilter, WorkflowQueries},
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

use super::{super::MemoryStore, has_tag, is_found, is_wanted};

#[async_trait]
impl WorkflowQueries for MemoryStore {
    async fn get(&self, id: WorkflowId) -> Result<Workflow> {
        self.tables().read(id)
    }

    async fn steps(&self, id: WorkflowId) -> Result<Vec<WorkflowStep>> {
        Ok(self.tables().steps.get(&id).map(|steps| steps.to_vec()).unwrap_or_default())
    }

    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Workflow>> {
        Ok(self.tables().active_for(owner, name).cloned())
    }

    async fn list(&self, filter: &WorkflowFilter, page: PageRequest) -> Result<Page<Workflow>> {
        let is_listed = |workflow: &Workflow| {
            (is_wanted(filter.owner.as_ref(), &workflow.user_id) || (filter.public_too && workflow.is_public))
                && (workflow.is_public || !filter.public_only)
                && filter.name.as_deref().is_none_or(|name| workflow.name.as_str() == name)
                && is_wanted(filter.status.as_ref(), &workflow.status)
                && has_tag(filter.tag.as_ref(), &workflow.tags)
                && filter.event.as_deref().is_none_or(|event| event_of(workflow) == Some(event))
                && is_found(filter.search.as_ref(), (&workflow.name, workflow.description.as_deref(), &workflow.tags))
        };
        Ok(self.tables().list_sorted((page, filter.sort), filter.with_deleted, is_listed))
    }
}

/// The name of the events that start a workflow.
fn event_of(workflow: &Workflow) -> Option<&str> {
    workflow.trigger_config.pointer("/event/name")?.as_str()
}
