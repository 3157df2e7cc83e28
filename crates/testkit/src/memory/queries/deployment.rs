//! Reads deployments.

use async_trait::async_trait;
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision},
    id::DeploymentId,
    port::{Cursor, DeploymentFilter, DeploymentQueries, Page, PageRequest, RepositoryError, Result},
    value::SoftDelete,
};

use super::{
    super::{MemoryStore, page},
    is_found, is_wanted,
};

#[async_trait]
impl DeploymentQueries for MemoryStore {
    async fn get(&self, id: DeploymentId) -> Result<Deployment> {
        self.tables().read_live(id)
    }

    async fn get_deleted(&self, id: DeploymentId) -> Result<Deployment> {
        let found: Deployment = self.tables().read(id)?;
        if found.is_deleted() { Ok(found) } else { Err(RepositoryError::NotFound { entity: "deployment" }) }
    }

    async fn revision(&self, id: DeploymentId, number: u32) -> Result<DeploymentRevision> {
        let found = self.tables().revisions.get(&(id, number)).cloned();
        found.ok_or(RepositoryError::NotFound { entity: "deployment_revision" })
    }

    async fn revisions(&self, id: DeploymentId, page: PageRequest) -> Result<Page<DeploymentRevision>> {
        let tables = self.tables();
        let rows = tables.revisions.values().filter(|revision| revision.deployment_id == id);
        let cursor =
            |revision: &&DeploymentRevision| Cursor { created_at: revision.created_at, id: revision.id.as_uuid() };
        let found = page::newest_first(rows, cursor, page);
        Ok(Page { items: found.items.into_iter().cloned().collect(), next: found.next })
    }

    async fn list(&self, filter: &DeploymentFilter, page: PageRequest) -> Result<Page<Deployment>> {
        let is_listed = |deployment: &Deployment| {
            is_wanted(filter.user.as_ref(), &deployment.user_id)
                && is_wanted(filter.environment.as_ref(), &deployment.environment)
                && is_wanted(filter.status.as_ref(), &deployment.status)
                && is_wanted(filter.health.as_ref(), &deployment.health_status)
                && filter.name.as_deref().is_none_or(|name| name == deployment.name.as_str())
                && filter.workflow.is_none_or(|id| deployment.workflow_id == Some(id))
                && filter.agent.is_none_or(|id| deployment.agent_id == Some(id))
                && is_found(filter.search.as_ref(), (&deployment.name, deployment.description.as_deref(), &[]))
        };
        Ok(self.tables().list_sorted((page, filter.sort), filter.with_deleted, is_listed))
    }
}
