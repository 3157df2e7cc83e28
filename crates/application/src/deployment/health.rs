//! Whether a deployment works: whether what it runs can be run, whether its secrets are there, how its last executions
//! ended.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    deployment::{Deployment, HealthStatus},
    execution::ExecutionStatus,
    expression::secret_references,
    id::DeploymentId,
    port::{ExecutionFilter, PageRequest},
    problem::{Problem, Problems},
};

use super::target::is_missing;
use crate::{Actor, Error, Result, UseCases, execution::document_of};

/// How many of the last executions are looked at.
const LAST: u16 = 20;
/// How many failures, and nothing else, say that it does not work.
const FAILURES: usize = 3;

/// How long what was noted is taken for new: who looks all the time writes no oftener, unless something changed.
const NOTED: TimeDelta = TimeDelta::seconds(60);

/// What a look at a deployment found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What it comes to.
    pub status: HealthStatus,
    /// Why it is not better.
    pub problems: Problems,
    /// When it was looked.
    pub checked_at: DateTime<Utc>,
}

impl UseCases {
    /// Looks at a deployment, and notes what was found, if that is news or was last noted a minute ago. It is unhealthy
    /// if what it runs cannot be run, or if nothing but failures came of its last executions; degraded if a secret of its
    /// variables is not there, or some of them failed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn deployment_health(&self, actor: Actor, id: DeploymentId) -> Result<Health> {
        let deployment = self.deployment(actor, id).await?;
        let health = self.looked_at(&deployment).await?;
        if is_news(&deployment, &health) {
            let mut uow = self.ports.store.begin().await?;
            uow.deployments().record_health(id, (health.status, health.checked_at)).await?;
            uow.commit().await?;
        }
        Ok(health)
    }

    pub(super) async fn looked_at(&self, deployment: &Deployment) -> Result<Health> {
        let (mut problems, mut status) = (Problems::default(), HealthStatus::Healthy);
        if let Some(problem) = self.obstacle(deployment).await? {
            problems.push(problem);
            status = HealthStatus::Unhealthy;
        }
        for name in self.missing_secrets(deployment).await? {
            let message = format!("there is no secret `{name}`: set it with `turbocat secrets set {name}`");
            problems.add("missing_secret", "environment_vars", message);
            status = worse(status, HealthStatus::Degraded);
        }
        let (failed, ended) = self.last_ends(deployment.id).await?;
        if failed > 0 {
            let found =
                if failed == ended && failed >= FAILURES { HealthStatus::Unhealthy } else { HealthStatus::Degraded };
            problems.add("failures", "", format!("of its last {ended} executions {failed} failed"));
            status = worse(status, found);
        }
        Ok(Health { status, problems, checked_at: self.ports.clock.now() })
    }

    /// Why what it runs cannot be run, if it cannot.
    async fn obstacle(&self, deployment: &Deployment) -> Result<Option<Problem>> {
        let path = if deployment.agent_id.is_some() { "agent_id" } else { "workflow_id" };
        let compiled = match self.deployed_workflow(deployment).await {
            Ok(workflow) => match document_of(&workflow) {
                Ok(document) => self.compiled(workflow, document).await.map(drop),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match compiled {
            Ok(()) => Ok(None),
            Err(error) if is_missing(&error) => {
                let message = "what it runs was deleted, or is not for its owner any more: restore it, or go back to \
                               another revision";
                Ok(Some(Problem::new("target_missing", path, message)))
            }
            Err(error @ Error::Corrupt { .. }) => Ok(Some(Problem::new("target_broken", path, error.to_string()))),
            Err(error) => Err(error),
        }
    }

    async fn missing_secrets(&self, deployment: &Deployment) -> Result<Vec<String>> {
        let wanted: Vec<String> =
            secret_references(&deployment.environment_vars).into_iter().map(str::to_owned).collect();
        if wanted.is_empty() {
            return Ok(wanted);
        }
        let found = self.ports.queries.secrets().find(deployment.user_id, &wanted).await?;
        let is_there = |name: &String| found.iter().any(|secret| secret.name.as_str() == name);
        Ok(wanted.into_iter().filter(|name| !is_there(name)).collect())
    }

    /// How many of the last executions failed, and how many of them have ended. Who cancels one says nothing about it.
    async fn last_ends(&self, id: DeploymentId) -> Result<(usize, usize)> {
        let filter = ExecutionFilter { deployment: Some(id), ..ExecutionFilter::default() };
        let last = self.ports.queries.executions().list(&filter, PageRequest { limit: LAST, after: None }).await?;
        let ends = last.items.iter().map(|one| one.status);
        let ends = ends.filter(|status| status.is_terminal() && *status != ExecutionStatus::Cancelled);
        let (completed, failed): (Vec<_>, Vec<_>) = ends.partition(|status| *status == ExecutionStatus::Completed);
        Ok((failed.len(), completed.len() + failed.len()))
    }
}

/// Whether what was found is not what is noted, or that was noted too long ago.
fn is_news(deployment: &Deployment, found: &Health) -> bool {
    // A clock that was set back makes nothing younger.
    let is_new = |at: DateTime<Utc>| (TimeDelta::zero()..NOTED).contains(&(found.checked_at - at));
    found.status != deployment.health_status || !deployment.last_health_check_at.is_some_and(is_new)
}

fn worse(one: HealthStatus, other: HealthStatus) -> HealthStatus {
    if one == HealthStatus::Unhealthy { one } else { other }
}
