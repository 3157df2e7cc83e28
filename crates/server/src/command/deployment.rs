//! `turbocat deployments`: versions of workflows and agents under names in environments.

use std::{process::ExitCode, str::FromStr};

use anyhow::ensure;
use serde_json::{Value, json};
use turbocat_application::Standing;
use turbocat_client::{
    Deployed, Deployment, DeploymentChange, DeploymentQuery, DeploymentRevision, HealthStatus, NewDeployment,
};
use turbocat_domain::id::DeploymentId;

use super::{input, print};
use crate::{
    args::{DeployedArgs, DeploymentCreateArgs, DeploymentListArgs, DeploymentUpdateArgs, DeploymentsCommand},
    desk::Desk,
    report,
};

/// The most revisions that are listed.
const REVISIONS: u16 = 200;

/// Does what is to be done with deployments.
///
/// # Errors
///
/// If there is no such deployment, it cannot be done with it, or the desk cannot be reached.
pub(super) async fn deployments(desk: &Desk, json: bool, command: DeploymentsCommand) -> anyhow::Result<ExitCode> {
    let asked = Asked { desk, json };
    match command {
        DeploymentsCommand::List(args) => asked.list_deployments(args).await?,
        DeploymentsCommand::Show { id } => report::value(&line(&desk.deployment(id).await?)),
        DeploymentsCommand::Create(args) => asked.create_deployment(args).await?,
        DeploymentsCommand::Update(args) => asked.update_deployment(args).await?,
        DeploymentsCommand::Activate { id } => asked.told(&desk.set_deployment(id, Standing::Running).await?),
        DeploymentsCommand::Stop { id } => asked.told(&desk.set_deployment(id, Standing::Stopped).await?),
        DeploymentsCommand::Start { id, input } => asked.start_by(id, input.as_deref()).await?,
        DeploymentsCommand::Key { id } => asked.issue_key(id).await?,
        DeploymentsCommand::Revisions { id } => asked.list_revisions(id).await?,
        DeploymentsCommand::Rollback { id, revision } => asked.told(&desk.roll_deployment_back(id, revision).await?),
        DeploymentsCommand::Health { id } => {
            return Ok(if asked.look_at(id).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        DeploymentsCommand::Delete { id } => {
            desk.delete_deployment(id).await?;
            report::note(format!("{id}: deleted; `turbocat deployments restore {id}` undoes it"));
        }
        DeploymentsCommand::Restore { id } => asked.told(&desk.restore_deployment(id).await?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where is asked, and in which form the answer is wanted.
struct Asked<'a> {
    desk: &'a Desk,
    json: bool,
}

impl Asked<'_> {
    async fn list_deployments(&self, args: DeploymentListArgs) -> anyhow::Result<()> {
        let DeploymentListArgs { environment, status, search, limit } = args;
        let query = DeploymentQuery { environment, status, search, limit: Some(limit), ..DeploymentQuery::default() };
        let row = |one: &Deployment| {
            let words = [one.id.to_string(), one.name.clone(), one.environment.to_string(), one.status.to_string()];
            let numbers = [one.revision.to_string(), one.total_requests.to_string(), one.total_errors.to_string()];
            [words.as_slice(), &[one.health_status.to_string()], numbers.as_slice()].concat()
        };
        let head = ["deployment", "name", "environment", "status", "health", "revision", "requests", "errors"];
        print(self.json, &head, &self.desk.deployments(query).await?, (row, line));
        Ok(())
    }

    async fn create_deployment(&self, args: DeploymentCreateArgs) -> anyhow::Result<()> {
        let DeploymentCreateArgs { name, description, environment, run } = args;
        let names_something = run.workflow.is_some() || run.agent.is_some();
        ensure!(names_something, "name what is to be deployed: `--workflow NAME` or `--agent NAME`");
        let (environment, run) = (Some(environment), run.read()?);
        let wanted = NewDeployment { name, description, environment, run, idempotency_key: None };
        self.told(&self.desk.create_deployment(wanted).await?);
        Ok(())
    }

    async fn update_deployment(&self, args: DeploymentUpdateArgs) -> anyhow::Result<()> {
        let DeploymentUpdateArgs { id, name, description, run } = args;
        let change = DeploymentChange { name, description, run: run.read()? };
        self.told(&self.desk.change_deployment(id, change).await?);
        Ok(())
    }

    async fn start_by(&self, id: DeploymentId, text: Option<&str>) -> anyhow::Result<()> {
        let started = self.desk.start_by_deployment(id, input::read(text)?).await?;
        if self.json {
            report::json_line(&json!({
                "execution": started.id.to_string(), "workflow_id": started.workflow_id.to_string(),
            }));
        } else {
            report::line(started.id.to_string());
        }
        Ok(())
    }

    async fn issue_key(&self, id: DeploymentId) -> anyhow::Result<()> {
        let issued = self.desk.issue_deployment_key(id).await?;
        if self.json {
            report::json_line(&json!({
                "deployment": id.to_string(), "key": issued.key, "endpoint_url": issued.endpoint_url,
            }));
        } else {
            report::note(format!("a key for {id}; keep it: it is shown this once"));
            report::line(&issued.key);
        }
        Ok(())
    }

    async fn list_revisions(&self, id: DeploymentId) -> anyhow::Result<()> {
        let target = |one: &DeploymentRevision| match one.agent_id {
            Some(agent) => agent.to_string(),
            None => one.workflow_id.to_string(),
        };
        let row = |one: &DeploymentRevision| {
            vec![one.number.to_string(), target(one), one.created_at.format("%Y-%m-%d %H:%M:%S").to_string()]
        };
        let line = |one: &DeploymentRevision| {
            json!({
                "revision": one.number, "workflow_id": one.workflow_id.to_string(),
                "agent_id": one.agent_id.map(|id| id.to_string()), "config": one.config,
                "environment_vars": one.environment_vars, "created_at": one.created_at,
            })
        };
        let found = self.desk.deployment_revisions(id, REVISIONS).await?;
        print(self.json, &["revision", "runs", "since"], &found, (row, line));
        Ok(())
    }

    /// Whether a deployment works.
    async fn look_at(&self, id: DeploymentId) -> anyhow::Result<bool> {
        let health = self.desk.deployment_health(id).await?;
        if self.json {
            let (status, problems) = (health.status.as_str(), &health.problems);
            report::json_line(&json!({ "deployment": id.to_string(), "health": status, "problems": problems }));
        } else {
            report::line(format!("{id}: {}", health.status));
            health.problems.iter().for_each(|problem| report::line(format!("  {problem}")));
        }
        Ok(health.status != HealthStatus::Unhealthy)
    }

    /// Tells how a deployment stands now.
    fn told(&self, deployment: &Deployment) {
        if self.json {
            return report::json_line(&line(deployment));
        }
        let Deployment { id, name, environment, status, revision, .. } = deployment;
        report::line(format!("{id}: {name} in {environment}: {status}, revision {revision}"));
    }
}

impl DeployedArgs {
    /// What is to be run, if it is said, and how.
    fn read(self) -> anyhow::Result<Deployed> {
        let json = |text: Option<String>| text.map(|text| input::read(Some(&text))).transpose();
        let ((workflow_id, workflow), (agent_id, agent)) = (id_or_name(self.workflow), id_or_name(self.agent));
        Ok(Deployed {
            workflow,
            workflow_id,
            agent,
            agent_id,
            config: json(self.config)?,
            environment_vars: json(self.env)?,
            allocated_memory_mb: self.memory_mb,
            allocated_cpu_shares: self.cpu_shares,
        })
    }
}

/// What is named by its id, or else by its name.
fn id_or_name<T: FromStr>(text: Option<String>) -> (Option<T>, Option<String>) {
    match text.as_deref().map(str::parse) {
        Some(Ok(id)) => (Some(id), None),
        _ => (None, text),
    }
}

fn line(one: &Deployment) -> Value {
    json!({
        "deployment": one.id.to_string(), "name": one.name, "description": one.description,
        "environment": one.environment, "status": one.status, "health": one.health_status,
        "revision": one.revision, "workflow_id": one.workflow_id.map(|id| id.to_string()),
        "agent_id": one.agent_id.map(|id| id.to_string()), "config": one.config,
        "environment_vars": one.environment_vars, "endpoint_url": one.endpoint_url,
        "allocated_memory_mb": one.allocated_memory_mb, "allocated_cpu_shares": one.allocated_cpu_shares,
        "deployed_at": one.deployed_at, "total_requests": one.total_requests, "total_errors": one.total_errors,
        "avg_response_time_ms": one.avg_response_time_ms, "created_at": one.created_at,
    })
}
