//! Reads deployments.

use async_trait::async_trait;
use turbocat_domain::{
    deployment::Deployment,
    id::DeploymentId,
    port::{DeploymentFilter, DeploymentQueries, Page, PageRequest, Result},
};

use super::{super::MemoryStore, is_wanted};

#[async_trait]
impl DeploymentQueries for MemoryStore {
    async fn get(&self, id: DeploymentId) -> Result<Deployment> {
        self.tables().read_live(id)
    }

    async fn list(&self, filter: &DeploymentFilter, page: PageRequest) -> Result<Page<Deployment>> {
        let is_listed = |deployment: &Deployment| {
            is_wanted(filter.user.as_ref(), &deployment.user_id)
                && is_wanted(filter.environment.as_ref(), &deployment.environment)
                && is_wanted(filter.status.as_ref(), &deployment.status)
        };
        Ok(self.tables().list(page, filter.with_deleted, is_listed))
    }
}
