//! `turbocat deployments`: versions of workflows and agents under names in environments.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};
use turbocat_application::{
    DeploymentChange, DeploymentContent, DeploymentSettings, DeploymentSource, Selector, Standing, StartExecution,
};
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, HealthStatus},
    execution::TriggerType,
    id::{DeploymentId, ExecutionId},
    port::{DeploymentFilter, IdGenerator, PageRequest},
    value::Search,
};

use super::{input, print};
use crate::{
    adapter::UuidV7,
    args::{
        DeployedArgs, DeploymentCreateArgs, DeploymentListArgs, DeploymentUpdateArgs, DeploymentsCommand, GlobalArgs,
    },
    desk::{Office, origin},
    report,
};

/// The most revisions that are listed.
const REVISIONS: u16 = 200;

/// Does what is to be done with deployments.
///
/// # Errors
///
/// If there is no such deployment, it cannot be done with it, or the database cannot be reached.
pub(super) async fn deployments(
    url: &str,
    global: &GlobalArgs,
    command: DeploymentsCommand,
) -> anyhow::Result<ExitCode> {
    let asked = Asked { office: Office::looking(url, global).await?, json: global.json };
    let (use_cases, actor) = (asked.office.app.use_cases.clone(), asked.office.actor);
    match command {
        DeploymentsCommand::List(args) => asked.list_deployments(args).await?,
        DeploymentsCommand::Show { id } => asked.show_deployment(id).await?,
        DeploymentsCommand::Create(args) => asked.create_deployment(args).await?,
        DeploymentsCommand::Update(args) => asked.update_deployment(args).await?,
        DeploymentsCommand::Activate { id } => {
            asked.told(&use_cases.set_deployment(actor, id, Standing::Running).await?);
        }
        DeploymentsCommand::Stop { id } => asked.told(&use_cases.set_deployment(actor, id, Standing::Stopped).await?),
        DeploymentsCommand::Start { id, input } => asked.start_by(id, input.as_deref()).await?,
        DeploymentsCommand::Key { id } => asked.issue_key(id).await?,
        DeploymentsCommand::Revisions { id } => asked.list_revisions(id).await?,
        DeploymentsCommand::Rollback { id, revision } => {
            asked.told(&use_cases.roll_deployment_back(actor, (id, revision), None).await?);
        }
        DeploymentsCommand::Health { id } => {
            let is_well = asked.look_at(id).await?;
            asked.office.app.store.close().await;
            return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        DeploymentsCommand::Delete { id } => {
            use_cases.delete_deployment(actor, id, None).await?;
            report::note(format!("{id}: deleted; `turbocat deployments restore {id}` undoes it"));
        }
        DeploymentsCommand::Restore { id } => asked.told(&use_cases.restore_deployment(actor, id).await?),
    }
    asked.office.app.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Who asks, and in which form the answer is wanted.
struct Asked {
    office: Office,
    json: bool,
}

impl Asked {
    async fn list_deployments(&self, args: DeploymentListArgs) -> anyhow::Result<()> {
        let filter = DeploymentFilter {
            environment: args.environment,
            status: args.status,
            search: args.search.as_deref().map(Search::parse).transpose()?,
            ..DeploymentFilter::default()
        };
        let page = PageRequest { limit: args.limit, after: None };
        let found = self.office.app.use_cases.deployments(self.office.actor, filter, page).await?.items;
        let row = |one: &Deployment| {
            let words = [one.id.to_string(), one.name.to_string(), one.environment.to_string(), one.status.to_string()];
            let numbers = [one.revision.to_string(), one.total_requests.to_string(), one.total_errors.to_string()];
            [words.as_slice(), &[one.health_status.to_string()], numbers.as_slice()].concat()
        };
        let head = ["deployment", "name", "environment", "status", "health", "revision", "requests", "errors"];
        print(self.json, &head, &found, (row, line));
        Ok(())
    }

    async fn show_deployment(&self, id: DeploymentId) -> anyhow::Result<()> {
        let found = self.office.app.use_cases.deployment(self.office.actor, id).await?;
        report::value(&line(&found));
        Ok(())
    }

    async fn create_deployment(&self, args: DeploymentCreateArgs) -> anyhow::Result<()> {
        let (source, settings) = args.run.read()?;
        let content = DeploymentContent {
            name: args.name,
            description: args.description,
            environment: args.environment,
            source: source.context("name what is to be deployed: `--workflow NAME` or `--agent NAME`")?,
            settings,
        };
        self.told(&self.office.app.use_cases.create_deployment((self.office.actor, None), content).await?.0);
        Ok(())
    }

    async fn update_deployment(&self, args: DeploymentUpdateArgs) -> anyhow::Result<()> {
        let (source, settings) = args.run.read()?;
        let change =
            DeploymentChange { name: args.name, description: args.description, source, settings, read_at: None };
        self.told(&self.office.app.use_cases.change_deployment(self.office.actor, args.id, change).await?);
        Ok(())
    }

    async fn start_by(&self, id: DeploymentId, text: Option<&str>) -> anyhow::Result<()> {
        let request = StartExecution {
            id: ExecutionId::from_uuid(UuidV7.next()),
            workflow: Selector::Deployment(id),
            input: input::read(text)?,
            trigger_type: TriggerType::Manual,
            trigger_data: json!({ "source": "cli" }),
        };
        let started = self.office.app.use_cases.start(self.office.actor, &self.office.app.store, request).await?;
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
        let (deployment, key) = self.office.app.access.issue_deployment_key(self.office.actor, id, &origin()).await?;
        if self.json {
            report::json_line(&json!({
                "deployment": id.to_string(), "key": key.expose(), "endpoint_url": deployment.endpoint_url,
            }));
        } else {
            report::note(format!("a key for {}; keep it: it is shown this once", deployment.name));
            report::line(key.expose());
        }
        Ok(())
    }

    async fn list_revisions(&self, id: DeploymentId) -> anyhow::Result<()> {
        let page = PageRequest { limit: REVISIONS, after: None };
        let found = self.office.app.use_cases.deployment_revisions(self.office.actor, id, page).await?.items;
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
        print(self.json, &["revision", "runs", "since"], &found, (row, line));
        Ok(())
    }

    /// Whether a deployment works.
    async fn look_at(&self, id: DeploymentId) -> anyhow::Result<bool> {
        let health = self.office.app.use_cases.deployment_health(self.office.actor, id).await?;
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
    fn read(self) -> anyhow::Result<(Option<DeploymentSource>, DeploymentSettings)> {
        let workflow = self.workflow.map(|text| match text.parse() {
            Ok(id) => DeploymentSource::Workflow(Selector::Id(id)),
            Err(_) => DeploymentSource::Workflow(Selector::Name(text)),
        });
        let agent = self.agent.map(|text| match text.parse() {
            Ok(id) => DeploymentSource::Agent(id),
            Err(_) => DeploymentSource::AgentName(text),
        });
        let json = |text: Option<String>| text.map(|text| input::read(Some(&text))).transpose();
        let settings = DeploymentSettings {
            config: json(self.config)?,
            environment_vars: json(self.env)?,
            allocated_memory_mb: self.memory_mb,
            allocated_cpu_shares: self.cpu_shares,
        };
        Ok((workflow.or(agent), settings))
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
