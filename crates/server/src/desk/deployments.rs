//! Deployments.

use anyhow::Context;
use serde_json::{Value, json};
use turbocat_application::{
    DeploymentChange as Change, DeploymentContent, DeploymentSettings, DeploymentSource, Selector, Standing,
    StartExecution as Start,
};
use turbocat_client::{
    Deployed, Deployment, DeploymentChange, DeploymentHealth, DeploymentKey, DeploymentQuery, DeploymentRequest,
    DeploymentRevision, NewDeployment, PageQuery, Rollback, Started,
};
use turbocat_domain::{
    execution::TriggerType,
    id::{DeploymentId, ExecutionId},
    port::{DeploymentFilter, IdGenerator, PageRequest},
    value::Search,
};

use super::{Desk, origin, seen, seen_all};
use crate::adapter::UuidV7;

impl Desk {
    /// The newest deployments, without their variables.
    pub(crate) async fn deployments(&self, query: DeploymentQuery) -> anyhow::Result<Vec<Deployment>> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.deployments(&query).await?.items),
        };
        let DeploymentQuery { environment, status, search, limit, .. } = query;
        let search = search.as_deref().map(Search::parse).transpose()?;
        let filter = DeploymentFilter { environment, status, search, ..DeploymentFilter::default() };
        let page = limit.map_or_else(PageRequest::default, |limit| PageRequest { limit, after: None });
        let found: Vec<Deployment> =
            seen_all(office.app.use_cases.deployments(office.actor, filter, page).await?.items)?;
        Ok(found.into_iter().map(|one| Deployment { environment_vars: Value::Null, ..one }).collect())
    }

    /// A deployment.
    pub(crate) async fn deployment(&self, id: DeploymentId) -> anyhow::Result<Deployment> {
        match self {
            Self::Database(office) => seen(office.app.use_cases.deployment(office.actor, id).await?),
            Self::Server(client) => Ok(client.deployment(id).await?),
        }
    }

    /// Makes a deployment.
    pub(crate) async fn create_deployment(&self, wanted: NewDeployment) -> anyhow::Result<Deployment> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.create_deployment(&wanted).await?),
        };
        let (source, settings) = parts(wanted.run);
        let content = DeploymentContent {
            name: wanted.name,
            description: wanted.description,
            environment: wanted.environment.unwrap_or_default(),
            source: source.context("nothing is named that is to be deployed")?,
            settings,
        };
        seen(office.app.use_cases.create_deployment((office.actor, None), content).await?.0)
    }

    /// Changes a deployment.
    pub(crate) async fn change_deployment(
        &self,
        id: DeploymentId,
        change: DeploymentChange,
    ) -> anyhow::Result<Deployment> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.change_deployment(id, &change).await?),
        };
        let DeploymentChange { name, description, run } = change;
        let (source, settings) = parts(run);
        let change = Change { name, description, source, settings, read_at: None };
        seen(office.app.use_cases.change_deployment(office.actor, id, change).await?)
    }

    /// Lets a deployment answer, or keeps it from that.
    pub(crate) async fn set_deployment(&self, id: DeploymentId, standing: Standing) -> anyhow::Result<Deployment> {
        match (self, standing) {
            (Self::Database(office), _) => seen(office.app.use_cases.set_deployment(office.actor, id, standing).await?),
            (Self::Server(client), Standing::Running) => Ok(client.activate_deployment(id).await?),
            (Self::Server(client), Standing::Stopped) => Ok(client.stop_deployment(id).await?),
            (Self::Server(client), Standing::Maintenance) => Ok(client.maintain_deployment(id).await?),
        }
    }

    /// Goes back to what a deployment ran before.
    pub(crate) async fn roll_deployment_back(
        &self,
        id: DeploymentId,
        revision: Option<u32>,
    ) -> anyhow::Result<Deployment> {
        match self {
            Self::Database(office) => {
                seen(office.app.use_cases.roll_deployment_back(office.actor, (id, revision), None).await?)
            }
            Self::Server(client) => Ok(client.roll_deployment_back(id, &Rollback { revision }).await?),
        }
    }

    /// What a deployment ran last, the newest first.
    pub(crate) async fn deployment_revisions(
        &self,
        id: DeploymentId,
        limit: u16,
    ) -> anyhow::Result<Vec<DeploymentRevision>> {
        match self {
            Self::Database(office) => {
                let page = PageRequest { limit, after: None };
                seen_all(office.app.use_cases.deployment_revisions(office.actor, id, page).await?.items)
            }
            Self::Server(client) => {
                Ok(client.deployment_revisions(id, &PageQuery { limit: Some(limit), after: None }).await?.items)
            }
        }
    }

    /// Looks whether a deployment works.
    pub(crate) async fn deployment_health(&self, id: DeploymentId) -> anyhow::Result<DeploymentHealth> {
        match self {
            Self::Database(office) => seen(office.app.use_cases.deployment_health(office.actor, id).await?),
            Self::Server(client) => Ok(client.deployment_health(id).await?),
        }
    }

    /// Starts an execution of what a deployment runs.
    pub(crate) async fn start_by_deployment(&self, id: DeploymentId, input: Value) -> anyhow::Result<Started> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => {
                let wanted = DeploymentRequest { input, idempotency_key: None };
                return Ok(client.start_by_deployment(id, &wanted).await?);
            }
        };
        let request = Start {
            id: ExecutionId::from_uuid(UuidV7.next()),
            workflow: Selector::Deployment(id),
            input,
            trigger_type: TriggerType::Manual,
            trigger_data: json!({ "source": "cli" }),
        };
        let started = office.app.use_cases.start(office.actor, &office.app.store, request).await?;
        Ok(Started { id: started.id, workflow_id: started.workflow_id })
    }

    /// Gives a deployment a new key.
    pub(crate) async fn issue_deployment_key(&self, id: DeploymentId) -> anyhow::Result<DeploymentKey> {
        match self {
            Self::Database(office) => {
                let (deployment, key) = office.app.access.issue_deployment_key(office.actor, id, &origin()).await?;
                Ok(DeploymentKey { key: key.expose().to_owned(), endpoint_url: deployment.endpoint_url })
            }
            Self::Server(client) => Ok(client.issue_deployment_key(id).await?),
        }
    }

    /// Deletes a deployment.
    pub(crate) async fn delete_deployment(&self, id: DeploymentId) -> anyhow::Result<()> {
        match self {
            Self::Database(office) => Ok(office.app.use_cases.delete_deployment(office.actor, id, None).await?),
            Self::Server(client) => Ok(client.delete_deployment(id).await?),
        }
    }

    /// Undoes a delete.
    pub(crate) async fn restore_deployment(&self, id: DeploymentId) -> anyhow::Result<Deployment> {
        match self {
            Self::Database(office) => seen(office.app.use_cases.restore_deployment(office.actor, id).await?),
            Self::Server(client) => Ok(client.restore_deployment(id).await?),
        }
    }
}

/// What is to be run, if it is named, and how.
fn parts(run: Deployed) -> (Option<DeploymentSource>, DeploymentSettings) {
    let Deployed { workflow, workflow_id, agent, agent_id, .. } = run;
    let source = match (workflow, workflow_id, agent, agent_id) {
        (Some(name), ..) => Some(DeploymentSource::Workflow(Selector::Name(name))),
        (_, Some(id), ..) => Some(DeploymentSource::Workflow(Selector::Id(id))),
        (_, _, Some(name), _) => Some(DeploymentSource::AgentName(name)),
        (.., id) => id.map(DeploymentSource::Agent),
    };
    let settings = DeploymentSettings {
        config: run.config,
        environment_vars: run.environment_vars,
        allocated_memory_mb: run.allocated_memory_mb,
        allocated_cpu_shares: run.allocated_cpu_shares,
    };
    (source, settings)
}
