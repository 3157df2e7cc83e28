//! The deployments, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, HealthStatus},
    id::DeploymentId,
    port::{DeploymentRepository, RepositoryError, Result},
    value::SoftDelete,
};

use super::super::unit_of_work::MemoryUnitOfWork;

const REVISION: &str = "deployment_revision";

#[async_trait]
impl DeploymentRepository for MemoryUnitOfWork {
    async fn insert(&mut self, deployment: &Deployment) -> Result<()> {
        let deployment = deployment.clone();
        self.apply(move |tables| tables.insert(std::slice::from_ref(&deployment)))
    }

    async fn insert_revision(&mut self, revision: &DeploymentRevision) -> Result<()> {
        let revision = revision.clone();
        self.apply(move |tables| {
            let key = (revision.deployment_id, revision.number);
            if tables.revisions.contains_key(&key) {
                return Err(RepositoryError::AlreadyExists { entity: REVISION });
            }
            let is_there = tables.deployments.contains(revision.deployment_id)
                && tables.workflows.contains(revision.workflow_id)
                && revision.agent_id.is_none_or(|id| tables.agents.contains(id))
                && tables.users.contains(revision.user_id);
            if !is_there {
                return Err(RepositoryError::BrokenReference { entity: REVISION });
            }
            Arc::make_mut(&mut tables.revisions).insert(key, revision.clone());
            Ok(())
        })
    }

    async fn record_health(&mut self, id: DeploymentId, (status, at): (HealthStatus, DateTime<Utc>)) -> Result<()> {
        self.apply(move |tables| {
            let stored = tables.deployments.get(id).filter(|deployment| !deployment.is_deleted());
            stored.ok_or(RepositoryError::NotFound { entity: "deployment" })?;
            tables.deployments.change(id, |deployment| {
                deployment.health_status = status;
                deployment.last_health_check_at = Some(at);
            });
            Ok(())
        })
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
