//! The deployments, in a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    deployment::Deployment,
    id::DeploymentId,
    port::{DeploymentRepository, Result},
};

use super::super::unit_of_work::MemoryUnitOfWork;

#[async_trait]
impl DeploymentRepository for MemoryUnitOfWork {
    async fn insert(&mut self, deployment: &Deployment) -> Result<()> {
        let deployment = deployment.clone();
        self.apply(move |tables| tables.insert(std::slice::from_ref(&deployment)))
    }

    async fn save(&mut self, deployment: &Deployment, now: DateTime<Utc>) -> Result<()> {
        let deployment = deployment.clone();
        self.apply(move |tables| tables.save(&deployment, now))
    }

    async fn delete(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.delete::<Deployment>(id, now))
    }

    async fn restore(&mut self, id: DeploymentId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.restore::<Deployment>(id, now))
    }
}
