//! What a deployment runs: found when it is pointed at it, and from then on always that version.
//!
//! An execution is always one of a workflow, so an agent gets a workflow of one step, which hands it the whole input. It
//! is archived: nothing but the deployment starts it.

use std::collections::BTreeMap;

use serde_json::json;
use turbocat_domain::{
    agent::{Agent, AgentStatus},
    deployment::{Deployment, DeploymentTarget},
    document::{Document, StepRows},
    id::{AgentId, UserId, WorkflowId, WorkflowStepId},
    limits,
    port::{RepositoryError, UnitOfWork},
    value::Name,
    workflow::{NewWorkflow, Workflow, WorkflowStatus},
};

use super::{DeploymentSource, revision::REVISION};
use crate::{
    Error, Result, Selector, UseCases,
    library::{missing, named},
};

/// The key of the one step of a workflow that runs an agent.
const STEP: &str = "run";

/// Something that can be deployed.
pub(super) enum Target {
    /// A version of a workflow.
    Workflow(WorkflowId),
    /// A version of an agent.
    Agent(Box<Agent>),
    /// A version of an agent, with the workflow that runs it.
    Known(AgentId, WorkflowId),
}

impl Target {
    /// What the deployment is said to run.
    pub(super) fn deployed(&self) -> DeploymentTarget {
        match self {
            Self::Workflow(id) => DeploymentTarget::Workflow(*id),
            Self::Agent(agent) => DeploymentTarget::Agent(agent.id),
            Self::Known(id, _) => DeploymentTarget::Agent(*id),
        }
    }
}

/// The agent, if it is one.
pub(super) const fn agent_of(target: DeploymentTarget) -> Option<AgentId> {
    match target {
        DeploymentTarget::Agent(id) => Some(id),
        DeploymentTarget::Workflow(_) => None,
    }
}

impl UseCases {
    /// Finds what is to be deployed for an owner.
    pub(super) async fn target(&self, owner: UserId, source: &DeploymentSource) -> Result<Target> {
        match source {
            DeploymentSource::Workflow(selector) => self.workflow_target(owner, selector).await,
            DeploymentSource::AgentName(name) => {
                let found = self.ports.queries.agents().find_active(owner, name).await?;
                found.map(Box::new).map(Target::Agent).ok_or_else(|| missing("agent", name))
            }
            DeploymentSource::Agent(id) => {
                let found = self.ports.queries.agents().get(*id).await.map_err(|error| named(error, "agent", id))?;
                let is_usable = found.deleted_at.is_none() && (found.user_id == owner || found.is_public);
                if !is_usable {
                    return Err(missing("agent", id));
                }
                match found.status {
                    AgentStatus::Active | AgentStatus::Inactive => Ok(Target::Agent(Box::new(found))),
                    status => Err(Error::NotActive { name: found.name.to_string(), status: status.as_str() }),
                }
            }
        }
    }

    async fn workflow_target(&self, owner: UserId, selector: &Selector) -> Result<Target> {
        let workflow = self.workflow_of(owner, selector).await?;
        match workflow.status {
            // A version that another one has followed is as good: that is what going back means.
            WorkflowStatus::Active | WorkflowStatus::Inactive => Ok(Target::Workflow(workflow.id)),
            status => Err(Error::NotActive { name: workflow.name.to_string(), status: status.as_str() }),
        }
    }

    /// What a deployment runs now.
    pub(super) async fn standing_target(&self, deployment: &Deployment) -> Result<Target> {
        match deployment.target() {
            Some(DeploymentTarget::Workflow(id)) => Ok(Target::Workflow(id)),
            Some(DeploymentTarget::Agent(agent)) => Ok(Target::Known(agent, self.run_by(deployment).await?)),
            None => Err(missing("workflow", deployment.id)),
        }
    }

    /// The version of a workflow that a deployment runs.
    pub(super) async fn run_by(&self, deployment: &Deployment) -> Result<WorkflowId> {
        if let Some(id) = deployment.workflow_id {
            return Ok(id);
        }
        let revision = self.ports.queries.deployments().revision(deployment.id, deployment.revision).await;
        Ok(revision.map_err(|error| named(error, REVISION, deployment.revision))?.workflow_id)
    }

    /// The version of a workflow that runs a target; for an agent it is made, unless it is there.
    pub(super) async fn workflow_to_run(
        &self,
        uow: &mut dyn UnitOfWork,
        owner: UserId,
        target: Target,
    ) -> Result<WorkflowId> {
        match target {
            Target::Workflow(id) | Target::Known(_, id) => Ok(id),
            Target::Agent(agent) => self.workflow_of_agent(uow, owner, &agent).await,
        }
    }

    async fn workflow_of_agent(&self, uow: &mut dyn UnitOfWork, owner: UserId, agent: &Agent) -> Result<WorkflowId> {
        let (now, id) = (self.ports.clock.now(), WorkflowId::from_uuid(self.ports.ids.next()));
        let document = document_of(agent)?;
        let latest = uow.workflows().lock_latest(owner, document.name().as_str()).await?;
        if let Some(latest) = latest.as_ref().filter(|latest| latest.definition == document.canonical()) {
            let steps = self.ports.queries.workflows().steps(latest.id).await?;
            if !latest.is_active()
                && latest.deleted_at.is_none()
                && steps.iter().all(|step| step.agent_id == Some(agent.id))
            {
                return Ok(latest.id);
            }
        }
        let next = latest.map_or_else(
            || Workflow::new(NewWorkflow { id, user_id: owner, name: document.name().clone() }, now),
            |latest| latest.next_version(id, now),
        );
        let workflow = Workflow {
            description: document.description().map(str::to_owned),
            status: WorkflowStatus::Archived,
            definition: document.canonical(),
            is_public: false,
            ..next
        };
        let agents = BTreeMap::from([(agent.name.to_string(), agent.id)]);
        let rows = StepRows { workflow_id: id, agents: &agents, now };
        let steps = document.to_steps(rows, || WorkflowStepId::from_uuid(self.ports.ids.next()));
        uow.workflows().insert(&workflow, &steps).await?;
        Ok(id)
    }
}

/// The document of the workflow that runs an agent.
fn document_of(agent: &Agent) -> Result<Document> {
    let name: String = format!("deployed agent {}", agent.name).chars().take(Name::CHARS_MAX).collect();
    let timeout_ms = agent.max_execution_time.map_or(u64::from(limits::STEP_TIMEOUT_MS_MAX), |seconds| {
        u64::from(seconds).saturating_mul(1_000).min(u64::from(limits::STEP_TIMEOUT_MS_MAX))
    });
    let document = json!({
        "name": name,
        "description": "Made for the deployments of an agent: it hands the agent its input.",
        "steps": [{
            "key": STEP, "type": "agent", "agent": agent.name.as_str(), "inputs": "${{ input }}", "timeout_ms": timeout_ms,
        }],
    });
    Document::parse(&document).map_err(|source| Error::Corrupt { name, source })
}

/// What is not there is told as what it was looked for; other errors are passed on.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::Storage(RepositoryError::NotFound { .. }))
}
