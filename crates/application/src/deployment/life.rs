//! Starting and stopping deployments.

use turbocat_domain::{
    deployment::{Deployment, DeploymentStatus, HealthStatus},
    execution::ExecutionStatus,
    id::DeploymentId,
    permission::Permission,
    port::{ExecutionFilter, PageRequest},
};

use crate::{Actor, Error, Result, UseCases, audit::Changes};

/// How a deployment is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It answers, if it can.
    Running,
    /// It takes nothing new, and ends what it has begun.
    Stopped,
    /// It takes nothing new for a while.
    Maintenance,
}

impl UseCases {
    /// Lets a deployment answer, or keeps it from that. One that is to answer is looked at first: if what it runs cannot
    /// be run, it has failed, and its health says why. One that is stopped while its executions run is stopping until
    /// the last of them has ended. What stands already as it is to stand is left so.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::NotRunning`] if one is to be maintained that does not run.
    pub async fn set_deployment(&self, actor: Actor, id: DeploymentId, standing: Standing) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let stored = self.own_deployment(actor, id).await?;
        match standing {
            Standing::Running => self.activate(actor, stored).await,
            Standing::Stopped => self.stop(actor, stored).await,
            Standing::Maintenance => self.maintain(actor, stored).await,
        }
    }

    async fn activate(&self, actor: Actor, stored: Deployment) -> Result<Deployment> {
        if stored.status == DeploymentStatus::Running {
            return Ok(stored);
        }
        let now = self.ports.clock.now();
        let health = self.looked_at(&stored).await?;
        let next = if health.status == HealthStatus::Unhealthy {
            Deployment { status: DeploymentStatus::Failed, ..stored.clone() }
        } else {
            Deployment { status: DeploymentStatus::Running, deployed_at: Some(now), ..stored.clone() }
        };
        let mut uow = self.ports.store.begin().await?;
        uow.deployments().save(&next, now).await?;
        uow.deployments().record_health(stored.id, (health.status, now)).await?;
        let changes = Changes::default().field("status", stored.status.as_str(), next.status.as_str());
        self.note_deployment(uow.as_mut(), (actor, "deployment.activated", stored.id), changes).await?;
        uow.commit().await?;
        self.own_deployment(actor, stored.id).await
    }

    async fn stop(&self, actor: Actor, stored: Deployment) -> Result<Deployment> {
        if !stored.status.can_become(DeploymentStatus::Stopping) {
            return Ok(stored);
        }
        let (id, now) = (stored.id, self.ports.clock.now());
        let mut uow = self.ports.store.begin().await?;
        let stopping = Deployment { status: DeploymentStatus::Stopping, ..stored.clone() };
        uow.deployments().save(&stopping, now).await?;
        // Its row is locked from here on. What ends later is folded behind that lock, and stops it then.
        let status = if self.is_at_work(id).await? { DeploymentStatus::Stopping } else { DeploymentStatus::Stopped };
        if status == DeploymentStatus::Stopped {
            uow.deployments().save(&Deployment { status, updated_at: now, ..stopping }, now).await?;
        }
        let changes = Changes::default().field("status", stored.status.as_str(), status.as_str());
        self.note_deployment(uow.as_mut(), (actor, "deployment.stopped", id), changes).await?;
        uow.commit().await?;
        self.own_deployment(actor, id).await
    }

    async fn maintain(&self, actor: Actor, stored: Deployment) -> Result<Deployment> {
        let status = DeploymentStatus::Maintenance;
        if stored.status == status {
            return Ok(stored);
        }
        if !stored.status.can_become(status) {
            return Err(Error::NotRunning { name: stored.name.to_string(), status: stored.status.as_str() });
        }
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.deployments().save(&Deployment { status, ..stored.clone() }, now).await?;
        let changes = Changes::default().field("status", stored.status.as_str(), status.as_str());
        self.note_deployment(uow.as_mut(), (actor, "deployment.maintained", stored.id), changes).await?;
        uow.commit().await?;
        self.own_deployment(actor, stored.id).await
    }

    /// Whether an execution of a deployment has not ended.
    async fn is_at_work(&self, id: DeploymentId) -> Result<bool> {
        let one = PageRequest { limit: 1, after: None };
        for status in [ExecutionStatus::Pending, ExecutionStatus::Running] {
            let filter = ExecutionFilter { deployment: Some(id), status: Some(status), ..ExecutionFilter::default() };
            if !self.ports.queries.executions().list(&filter, one).await?.items.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
