//! Executions by a deployment: the version that it runs, with its settings and variables.

use serde_json::{Map, Value, json};
use turbocat_domain::{
    deployment::{Deployment, DeploymentStatus},
    execution::ALLOCATED,
    id::DeploymentId,
    workflow::Workflow,
};

use super::DEPLOYMENT;
use crate::{
    Actor, Error, Result, StartExecution, UseCases,
    execution::{Runnable, document_of},
    library::{missing, named},
};

impl UseCases {
    /// What a deployment runs, for its owner: who starts something does so in their own name.
    pub(crate) async fn deployed(&self, actor: Actor, id: DeploymentId) -> Result<Runnable> {
        let found = self.ports.queries.deployments().get(id).await.map_err(|error| named(error, DEPLOYMENT, id))?;
        if found.user_id != actor.id {
            return Err(missing(DEPLOYMENT, id));
        }
        if found.status != DeploymentStatus::Running {
            return Err(Error::NotRunning { name: found.name.to_string(), status: found.status.as_str() });
        }
        let workflow = self.deployed_workflow(&found).await?;
        let document = document_of(&workflow)?;
        Ok(self.compiled(workflow, document).await?.by(found))
    }

    /// The version of a workflow that a deployment runs, whatever was published since; not if it was deleted.
    pub(super) async fn deployed_workflow(&self, deployment: &Deployment) -> Result<Workflow> {
        let id = self.run_by(deployment).await?;
        let workflow = self.ports.queries.workflows().get(id).await.map_err(|error| named(error, "workflow", id))?;
        if workflow.is_usable_by(deployment.user_id) { Ok(workflow) } else { Err(missing("workflow", id)) }
    }
}

/// The request as a deployment has it: its input lies under the one that was sent, and what started it says which
/// deployment did, and with which variables.
pub(crate) fn applied(deployment: &Deployment, request: StartExecution) -> StartExecution {
    let mut known = match request.trigger_data {
        Value::Object(known) => known,
        _ => Map::new(),
    };
    let by = json!({
        "id": deployment.id.as_uuid(),
        "name": deployment.name,
        "environment": deployment.environment.as_str(),
        "revision": deployment.revision,
    });
    let allocated =
        json!({ "memory_mb": deployment.allocated_memory_mb, "cpu_shares": deployment.allocated_cpu_shares });
    known.insert(DEPLOYMENT.to_owned(), by);
    known.insert(ALLOCATED.to_owned(), allocated);
    known.insert("env".to_owned(), deployment.environment_vars.clone());
    let input = match (deployment.config.get("input"), request.input) {
        (Some(Value::Object(below)), Value::Object(above)) => {
            let mut input = below.clone();
            input.extend(above);
            Value::Object(input)
        }
        (_, input) => input,
    };
    StartExecution { input, trigger_data: Value::Object(known), ..request }
}

/// How long an execution by a deployment may take: what its workflow says, or less.
pub(crate) fn timeout_ms(deployment: &Deployment, of_workflow: u64) -> u64 {
    deployment.config.get("timeout_ms").and_then(Value::as_u64).map_or(of_workflow, |own| own.min(of_workflow))
}
