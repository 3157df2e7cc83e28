//! Looking at what was published, and taking it out of sight: workflows and agents, a version each.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    agent::Agent,
    id::{AgentId, UserId, WorkflowId},
    permission::Permission,
    port::{AgentFilter, Page, PageRequest, RepositoryError, WorkflowFilter},
    value::SoftDelete,
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

use crate::{Actor, Error, Result, UseCases};

const WORKFLOW: &str = "workflow";
const AGENT: &str = "agent";

/// Whose things a list shows: what an actor may see of what was asked for.
struct Scope {
    owner: Option<UserId>,
    public_too: bool,
}

impl Scope {
    /// An administrator sees everything, the others their own and, if they ask for it, what is public.
    fn of(actor: Actor, (owner, public_too): (Option<UserId>, bool)) -> Self {
        let owner = owner.filter(|owner| actor.sees(*owner));
        match owner {
            Some(owner) => Self { owner: Some(owner), public_too },
            None if actor.sees_all() => Self { owner: None, public_too: true },
            None => Self { owner: Some(actor.id), public_too },
        }
    }
}

impl UseCases {
    /// A page of workflows.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn workflows(&self, actor: Actor, filter: WorkflowFilter, page: PageRequest) -> Result<Page<Workflow>> {
        actor.ensure(Permission::WorkflowsRead)?;
        let Scope { owner, public_too } = Scope::of(actor, (filter.owner, filter.public_too));
        // What is deleted is shown to who can restore it.
        let filter = WorkflowFilter { owner, public_too: public_too && !filter.with_deleted, ..filter };
        Ok(self.ports.queries.workflows().list(&filter, page).await?)
    }

    /// One version of a workflow.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, it was deleted, or it is somebody else's and not public.
    pub async fn workflow_version(&self, actor: Actor, id: WorkflowId) -> Result<Workflow> {
        actor.ensure(Permission::WorkflowsRead)?;
        let workflow = self.stored_workflow(id).await?;
        let is_shown = actor.sees(workflow.user_id) || workflow.is_public;
        if is_shown && !workflow.is_deleted() { Ok(workflow) } else { Err(missing(WORKFLOW, id)) }
    }

    /// The steps of a version, in their order.
    ///
    /// # Errors
    ///
    /// As [`Self::workflow_version`].
    pub async fn workflow_steps(&self, actor: Actor, id: WorkflowId) -> Result<Vec<WorkflowStep>> {
        self.workflow_version(actor, id).await?;
        Ok(self.ports.queries.workflows().steps(id).await?)
    }

    /// A page of the versions that share the name of this one, newest first.
    ///
    /// # Errors
    ///
    /// As [`Self::workflow_version`].
    pub async fn workflow_versions(&self, actor: Actor, id: WorkflowId, page: PageRequest) -> Result<Page<Workflow>> {
        let workflow = self.workflow_version(actor, id).await?;
        let is_own = actor.sees(workflow.user_id);
        let filter = WorkflowFilter {
            owner: Some(workflow.user_id),
            name: Some(workflow.name.to_string()),
            // Of somebody else's, only what is public.
            public_only: !is_own,
            ..WorkflowFilter::default()
        };
        Ok(self.ports.queries.workflows().list(&filter, page).await?)
    }

    /// Deletes a version: it is hidden and starts nothing any more; what runs goes on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn delete_workflow(&self, actor: Actor, id: WorkflowId) -> Result<()> {
        actor.ensure(Permission::WorkflowsWrite)?;
        let workflow = self.own_workflow(actor, id).await?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.workflows().delete(workflow.id, now).await.map_err(|error| named(error, WORKFLOW, id))?;
        self.audit(uow.as_mut(), (actor.id, "workflow.deleted", WORKFLOW, id.as_uuid()), now).await?;
        Ok(uow.commit().await?)
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that was deleted, or it is somebody else's;
    /// [`RepositoryError::AlreadyExists`] in [`Error::Storage`] if another version of the name is active now.
    pub async fn restore_workflow(&self, actor: Actor, id: WorkflowId) -> Result<Workflow> {
        actor.ensure(Permission::WorkflowsWrite)?;
        let workflow = self.own_workflow(actor, id).await?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.workflows().restore(workflow.id, now).await.map_err(|error| named(error, WORKFLOW, id))?;
        self.audit(uow.as_mut(), (actor.id, "workflow.restored", WORKFLOW, id.as_uuid()), now).await?;
        uow.commit().await?;
        self.stored_workflow(id).await
    }

    /// A page of agents.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn agents(&self, actor: Actor, filter: AgentFilter, page: PageRequest) -> Result<Page<Agent>> {
        actor.ensure(Permission::AgentsRead)?;
        let Scope { owner, public_too } = Scope::of(actor, (filter.owner, filter.public_too));
        let filter = AgentFilter { owner, public_too: public_too && !filter.with_deleted, ..filter };
        Ok(self.ports.queries.agents().list(&filter, page).await?)
    }

    /// One version of an agent.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, it was deleted, or it is somebody else's and not public.
    pub async fn agent_version(&self, actor: Actor, id: AgentId) -> Result<Agent> {
        actor.ensure(Permission::AgentsRead)?;
        let agent = self.stored_agent(id).await?;
        let is_shown = actor.sees(agent.user_id) || agent.is_public;
        if is_shown && !agent.is_deleted() { Ok(agent) } else { Err(missing(AGENT, id)) }
    }

    /// A page of the versions that share the name of this one, newest first.
    ///
    /// # Errors
    ///
    /// As [`Self::agent_version`].
    pub async fn agent_versions(&self, actor: Actor, id: AgentId, page: PageRequest) -> Result<Page<Agent>> {
        let agent = self.agent_version(actor, id).await?;
        let is_own = actor.sees(agent.user_id);
        let filter = AgentFilter {
            owner: Some(agent.user_id),
            name: Some(agent.name.to_string()),
            public_only: !is_own,
            ..AgentFilter::default()
        };
        Ok(self.ports.queries.agents().list(&filter, page).await?)
    }

    /// Deletes a version of an agent: nothing new can name it; workflows that point at it still run it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub async fn delete_agent(&self, actor: Actor, id: AgentId) -> Result<()> {
        actor.ensure(Permission::AgentsWrite)?;
        let agent = self.own_agent(actor, id).await?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.agents().delete(agent.id, now).await.map_err(|error| named(error, AGENT, id))?;
        self.audit(uow.as_mut(), (actor.id, "agent.deleted", AGENT, id.as_uuid()), now).await?;
        Ok(uow.commit().await?)
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// As [`Self::restore_workflow`].
    pub async fn restore_agent(&self, actor: Actor, id: AgentId) -> Result<Agent> {
        actor.ensure(Permission::AgentsWrite)?;
        let agent = self.own_agent(actor, id).await?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.agents().restore(agent.id, now).await.map_err(|error| named(error, AGENT, id))?;
        self.audit(uow.as_mut(), (actor.id, "agent.restored", AGENT, id.as_uuid()), now).await?;
        uow.commit().await?;
        self.stored_agent(id).await
    }

    pub(crate) async fn own_workflow(&self, actor: Actor, id: WorkflowId) -> Result<Workflow> {
        let workflow = self.stored_workflow(id).await?;
        if actor.sees(workflow.user_id) { Ok(workflow) } else { Err(missing(WORKFLOW, id)) }
    }

    async fn own_agent(&self, actor: Actor, id: AgentId) -> Result<Agent> {
        let agent = self.stored_agent(id).await?;
        if actor.sees(agent.user_id) { Ok(agent) } else { Err(missing(AGENT, id)) }
    }

    async fn stored_workflow(&self, id: WorkflowId) -> Result<Workflow> {
        self.ports.queries.workflows().get(id).await.map_err(|error| named(error, WORKFLOW, id))
    }

    async fn stored_agent(&self, id: AgentId) -> Result<Agent> {
        self.ports.queries.agents().get(id).await.map_err(|error| named(error, AGENT, id))
    }
}

/// What is not there, or not for who asks.
pub(crate) fn missing(entity: &'static str, id: impl ToString) -> Error {
    Error::NotFound { entity, name: id.to_string() }
}

/// Refuses to write what somebody else has changed since it was read; what was not read at any time is written in any case.
pub(crate) fn ensure_unchanged(
    entity: &'static str,
    read_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
) -> Result<()> {
    match read_at {
        Some(read_at) if read_at != updated_at => Err(RepositoryError::Conflict { entity }.into()),
        _ => Ok(()),
    }
}

/// What is not in the store is told with its id.
pub(crate) fn named(error: RepositoryError, entity: &'static str, id: impl ToString) -> Error {
    match error {
        RepositoryError::NotFound { .. } => missing(entity, id),
        error => error.into(),
    }
}
