//! What a deployment ran before, and going back to it.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, DeploymentTarget},
    id::DeploymentId,
    permission::Permission,
    port::{Page, PageRequest},
    problem::{Problem, Problems},
};

use super::target::Target;
use crate::{Actor, Error, Result, Selector, UseCases, library::named};

pub(super) const REVISION: &str = "revision of the deployment";

impl UseCases {
    /// A page of the revisions of a deployment, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such deployment, or it is somebody else's.
    pub async fn deployment_revisions(
        &self,
        actor: Actor,
        id: DeploymentId,
        page: PageRequest,
    ) -> Result<Page<DeploymentRevision>> {
        self.deployment(actor, id).await?;
        Ok(self.ports.queries.deployments().revisions(id, page).await?)
    }

    /// Goes back to what a deployment ran before: the revision of this number, or the one before the latest. It is a new
    /// revision, after all others.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such revision, or what it ran is not there any more; [`Error::Invalid`] if it
    /// is the one that holds; a conflict in [`Error::Storage`] if the deployment was changed since it was read.
    pub async fn roll_deployment_back(
        &self,
        actor: Actor,
        (id, number): (DeploymentId, Option<u32>),
        read_at: Option<DateTime<Utc>>,
    ) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let stored = self.deployment_as_read(actor, id, read_at).await?;
        let number = number.unwrap_or_else(|| stored.revision.saturating_sub(1));
        if number == stored.revision {
            let message = format!("revision {number} is the one that holds: choose another one");
            return Err(Error::Invalid(Problems::from(Problem::new("holds_already", "revision", message))));
        }
        let revision = self.ports.queries.deployments().revision(id, number).await;
        let revision = revision.map_err(|error| named(error, REVISION, number))?;
        // What was deleted since cannot be run again.
        self.workflow_of(stored.user_id, &Selector::Id(revision.workflow_id)).await?;
        let target = match revision.target() {
            DeploymentTarget::Workflow(id) => Target::Workflow(id),
            DeploymentTarget::Agent(agent) => Target::Known(agent, revision.workflow_id),
        };
        let mut next =
            Deployment { config: revision.config, environment_vars: revision.environment_vars, ..stored.clone() };
        next.retarget(target.deployed());
        self.save_deployment((actor, "deployment.rolled_back"), (&stored, next), target).await
    }
}
