//! Deployments: a version of a workflow or of an agent under a name in an environment, with what it needs there.
//!
//! # Invariants
//!
//! 1. A deployment runs the version that it was pointed at: publishing another one changes nothing of it.
//! 2. Each change of what it runs, or how, is a revision of its own; going back to one makes a new one after it.
//! 3. An execution keeps the variables with which it was accepted, whatever becomes of the deployment.

mod content;
mod health;
mod key;
mod life;
mod revision;
mod run;
mod target;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, DeploymentStatus, Environment, NewDeployment},
    id::{AgentId, DeploymentId, DeploymentRevisionId},
    permission::Permission,
    port::{DeploymentFilter, Page, PageRequest, UnitOfWork},
    value::Name,
};

pub(crate) use self::run::{applied, timeout_ms};
use self::{
    content::{Checked, names_of},
    target::Target,
};
pub use self::{health::Health, key::EndpointCall, life::Standing};
use crate::{
    Actor, Idempotency, Result, Selector, UseCases,
    audit::{Audited, Changes},
    library::{ensure_unchanged, missing, named},
};

pub(crate) const DEPLOYMENT: &str = "deployment";

/// What is to be deployed. A name stands for the version that is active now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentSource {
    /// A workflow.
    Workflow(Selector),
    /// The active version of the agent of this name: one's own, else a public one.
    AgentName(String),
    /// This version of an agent.
    Agent(AgentId),
}

/// How what is deployed runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeploymentSettings {
    /// `input`: what is laid under the input of each request; `timeout_ms`: how long an execution may take.
    pub config: Option<Value>,
    /// What expressions see as `env`.
    pub environment_vars: Option<Value>,
    /// The most memory that a program of an agent may have, in MiB.
    pub allocated_memory_mb: Option<u32>,
    /// Its share of the processor, against that of others.
    pub allocated_cpu_shares: Option<u32>,
}

/// A deployment that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentContent {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Where it runs.
    pub environment: Environment,
    /// What it runs.
    pub source: DeploymentSource,
    /// How.
    pub settings: DeploymentSettings,
}

/// What is to be changed of a deployment; what is not there stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeploymentChange {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for; an empty text takes it away.
    pub description: Option<String>,
    /// What it runs.
    pub source: Option<DeploymentSource>,
    /// How.
    pub settings: DeploymentSettings,
    /// When it was read: it is not changed if somebody else has since.
    pub read_at: Option<DateTime<Utc>>,
}

impl UseCases {
    /// A page of deployments: of all users for an administrator, one's own for the others.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::Storage`](crate::Error::Storage).
    pub async fn deployments(
        &self,
        actor: Actor,
        filter: DeploymentFilter,
        page: PageRequest,
    ) -> Result<Page<Deployment>> {
        actor.ensure(Permission::DeploymentsRead)?;
        let user = if actor.sees_all() { filter.user } else { Some(actor.id) };
        Ok(self.ports.queries.deployments().list(&DeploymentFilter { user, ..filter }, page).await?)
    }

    /// One deployment.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound) if there is none, or it is somebody else's.
    pub async fn deployment(&self, actor: Actor, id: DeploymentId) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsRead)?;
        self.own_deployment(actor, id).await
    }

    /// Makes a deployment, stopped, with its first revision; for a request that may be sent again if it has a key. Says
    /// whether it was made before, by the same request.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) with all that is wrong with it;
    /// [`Error::NotFound`](crate::Error::NotFound) if what it is to run is not there for who asks;
    /// `RepositoryError::AlreadyExists` in [`Error::Storage`](crate::Error::Storage) if there is one of this name in
    /// its environment; [`Error::IdempotencyConflict`](crate::Error::IdempotencyConflict).
    pub async fn create_deployment(
        &self,
        (actor, once): (Actor, Option<&Idempotency>),
        content: DeploymentContent,
    ) -> Result<(Deployment, bool)> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let (id, now) = (DeploymentId::from_uuid(self.ports.ids.next()), self.ports.clock.now());
        let mut uow = self.ports.store.begin().await?;
        if let Some(once) = once
            && let Some(standing) = once.claim(uow.as_mut(), actor, (id.as_uuid(), now)).await?
        {
            return Ok((self.own_deployment(actor, DeploymentId::from_uuid(standing.resource_id)).await?, true));
        }
        let Checked { name, settings } = Checked::new(&content.name, content.settings)?;
        let target = self.target(actor.id, &content.source).await?;
        let new = NewDeployment { id, user_id: actor.id, name, target: target.deployed() };
        let mut deployment = Deployment {
            description: content.description.filter(|text| !text.is_empty()),
            environment: content.environment,
            endpoint_url: Some(endpoint_of(id)),
            ..Deployment::new(new, now)
        };
        settings.write_to(&mut deployment);
        uow.deployments().insert(&deployment).await?;
        self.add_revision(uow.as_mut(), (actor, &deployment), target).await?;
        let changes = Changes::default().field("name", Value::Null, deployment.name.as_str()).field(
            "environment",
            Value::Null,
            deployment.environment.as_str(),
        );
        let changes = changes_of(changes, None, &deployment);
        self.note_deployment(uow.as_mut(), (actor, "deployment.created", id), changes).await?;
        uow.commit().await?;
        Ok((self.own_deployment(actor, id).await?, false))
    }

    /// Changes a deployment. If that changes what it runs, or how, there is a new revision, which holds at once for what
    /// is started from now on.
    ///
    /// # Errors
    ///
    /// As [`Self::create_deployment`]; `RepositoryError::Conflict` in [`Error::Storage`](crate::Error::Storage) if it
    /// was changed since it was read.
    pub async fn change_deployment(
        &self,
        actor: Actor,
        id: DeploymentId,
        change: DeploymentChange,
    ) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let stored = self.deployment_as_read(actor, id, change.read_at).await?;
        let name = change.name.unwrap_or_else(|| stored.name.to_string());
        let Checked { name, settings } = Checked::new(&name, change.settings)?;
        let mut next = Deployment { name, ..stored.clone() };
        if let Some(description) = change.description {
            next.description = Some(description).filter(|text| !text.is_empty());
        }
        settings.write_to(&mut next);
        let target = match &change.source {
            Some(source) => self.target(stored.user_id, source).await?,
            None => self.standing_target(&stored).await?,
        };
        next.retarget(target.deployed());
        self.save_deployment((actor, "deployment.updated"), (&stored, next), target).await
    }

    /// Deletes a deployment: it starts nothing any more. What runs goes on, and it can be restored, stopped.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound).
    pub async fn delete_deployment(
        &self,
        actor: Actor,
        id: DeploymentId,
        read_at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let stored = self.deployment_as_read(actor, id, read_at).await?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        if read_at.is_some() {
            // It holds the row, and is refused if somebody was faster.
            uow.deployments().save(&stored, now).await?;
        }
        uow.deployments().delete(id, now).await.map_err(|error| named(error, DEPLOYMENT, id))?;
        self.note_deployment(uow.as_mut(), (actor, "deployment.deleted", id), Changes::default()).await?;
        Ok(uow.commit().await?)
    }

    /// Undoes a delete. It is stopped then, however it was before.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound) if there is none of one's own that was deleted;
    /// `RepositoryError::AlreadyExists` in [`Error::Storage`](crate::Error::Storage) if another one has its name now.
    pub async fn restore_deployment(&self, actor: Actor, id: DeploymentId) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let found = self.ports.queries.deployments().get_deleted(id).await;
        let found = found.map_err(|error| named(error, DEPLOYMENT, id))?;
        if !actor.sees(found.user_id) {
            return Err(missing(DEPLOYMENT, id));
        }
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.deployments().restore(id, now).await.map_err(|error| named(error, DEPLOYMENT, id))?;
        let stopped = Deployment { status: DeploymentStatus::Stopped, updated_at: now, ..found };
        uow.deployments().save(&stopped, now).await?;
        self.note_deployment(uow.as_mut(), (actor, "deployment.restored", id), Changes::default()).await?;
        uow.commit().await?;
        self.own_deployment(actor, id).await
    }

    /// Saves a changed deployment, with a new revision if what it runs has changed, or how.
    async fn save_deployment(
        &self,
        (actor, action): (Actor, &'static str),
        (stored, mut next): (&Deployment, Deployment),
        target: Target,
    ) -> Result<Deployment> {
        let (id, now) = (stored.id, self.ports.clock.now());
        let is_revised = (next.target(), &next.config, &next.environment_vars)
            != (stored.target(), &stored.config, &stored.environment_vars);
        if is_revised {
            next.revision = stored.revision.saturating_add(1);
        }
        let changes = Changes::default().field("name", stored.name.as_str(), next.name.as_str()).field(
            "description",
            stored.description.clone(),
            next.description.clone(),
        );
        let changes = changes_of(changes, Some(stored), &next);
        let mut uow = self.ports.store.begin().await?;
        uow.deployments().save(&next, now).await?;
        if is_revised {
            self.add_revision(uow.as_mut(), (actor, &next), target).await?;
        }
        self.note_deployment(uow.as_mut(), (actor, action, id), changes).await?;
        uow.commit().await?;
        self.own_deployment(actor, id).await
    }

    /// Notes what a deployment runs from now on.
    async fn add_revision(
        &self,
        uow: &mut dyn UnitOfWork,
        (actor, deployment): (Actor, &Deployment),
        target: Target,
    ) -> Result<()> {
        let now = self.ports.clock.now();
        let deployed = target.deployed();
        let workflow_id = self.workflow_to_run(uow, deployment.user_id, target).await?;
        let revision = DeploymentRevision {
            id: DeploymentRevisionId::from_uuid(self.ports.ids.next()),
            deployment_id: deployment.id,
            number: deployment.revision,
            workflow_id,
            agent_id: target::agent_of(deployed),
            config: deployment.config.clone(),
            environment_vars: deployment.environment_vars.clone(),
            user_id: actor.id,
            created_at: now,
        };
        Ok(uow.deployments().insert_revision(&revision).await?)
    }

    pub(crate) async fn own_deployment(&self, actor: Actor, id: DeploymentId) -> Result<Deployment> {
        let found = self.ports.queries.deployments().get(id).await.map_err(|error| named(error, DEPLOYMENT, id))?;
        if actor.sees(found.user_id) { Ok(found) } else { Err(missing(DEPLOYMENT, id)) }
    }

    /// The deployment, if nobody has changed it since it was read.
    async fn deployment_as_read(
        &self,
        actor: Actor,
        id: DeploymentId,
        read_at: Option<DateTime<Utc>>,
    ) -> Result<Deployment> {
        let stored = self.own_deployment(actor, id).await?;
        ensure_unchanged(DEPLOYMENT, read_at, stored.updated_at)?;
        Ok(stored)
    }

    pub(crate) async fn note_deployment(
        &self,
        uow: &mut dyn UnitOfWork,
        (actor, action, id): (Actor, &'static str, DeploymentId),
        changes: Changes,
    ) -> Result<()> {
        let (user, resource) = (Some(actor.id), Some(id.as_uuid()));
        let entry = Audited { user, action, resource_type: DEPLOYMENT, resource, changes };
        self.note(uow, entry, self.ports.clock.now()).await
    }
}

/// Where a deployment answers who has its key, as a path on every server of the installation.
fn endpoint_of(id: DeploymentId) -> String {
    format!("/api/v1/endpoints/{id}")
}

/// What changed of what is run, and how. Of variables only the names are told.
fn changes_of(changes: Changes, before: Option<&Deployment>, after: &Deployment) -> Changes {
    let told = |one: &Deployment| {
        [
            ("revision", json!(one.revision)),
            ("workflow_id", json!(one.workflow_id.map(|id| id.to_string()))),
            ("agent_id", json!(one.agent_id.map(|id| id.to_string()))),
            ("config", one.config.clone()),
            ("environment_vars", json!(names_of(&one.environment_vars))),
            ("allocated_memory_mb", json!(one.allocated_memory_mb)),
            ("allocated_cpu_shares", json!(one.allocated_cpu_shares)),
        ]
    };
    let before = before.map(told);
    told(after).into_iter().enumerate().fold(changes, |changes, (place, (name, after))| {
        let before = before.as_ref().and_then(|before| before.get(place)).map_or(Value::Null, |(_, old)| old.clone());
        changes.field(name, before, after)
    })
}

/// A name as it is taken.
fn name_of(text: &str) -> std::result::Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}
