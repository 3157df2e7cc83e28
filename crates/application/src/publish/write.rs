//! The transaction of a publication.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_domain::{
    agent::{Agent, AgentStatus},
    document::{Document, StepRows},
    id::{AgentId, WorkflowId, WorkflowStepId},
    port::UnitOfWork,
    problem::Problem,
    value::{StepKey, TimeZone},
    workflow::{NewWorkflow, Workflow, WorkflowStatus},
    workflow_step::WorkflowStep,
};
use uuid::Uuid;

use super::{
    Change, PublishReport, Published, PublishedKind,
    batch::{Batch, Entry},
    check::AgentTarget,
};
use crate::{Actor, AgentDocument, Error, LocatedProblem, Result, UseCases};

/// The agents that the steps of a workflow name.
type AgentIds = BTreeMap<String, AgentId>;

impl UseCases {
    /// Writes a checked batch. Names are locked in their order, so that two publishers never wait for each other.
    pub(super) async fn write(
        &self,
        uow: Box<dyn UnitOfWork>,
        actor: Actor,
        batch: &Batch,
    ) -> Result<(Box<dyn UnitOfWork>, PublishReport)> {
        let now = self.ports.clock.now();
        let mut writing = Writing { use_cases: self, uow, actor, now, batch, written: AgentIds::new() };
        let mut published = Vec::new();

        let mut agents: Vec<_> = batch.agents.iter().map(|entry| &entry.document).collect();
        agents.sort_by_key(|agent| &agent.name);
        for agent in agents {
            published.push(writing.agent(agent).await?);
        }
        let mut workflows: Vec<_> = batch.workflows.iter().map(|entry| &entry.document).collect();
        workflows.sort_by_key(|workflow| workflow.name());
        for workflow in workflows {
            published.push(writing.workflow(workflow).await?);
        }
        Ok((writing.uow, PublishReport { published, warnings: warnings(batch) }))
    }
}

/// A publication that is being written.
struct Writing<'a> {
    use_cases: &'a UseCases,
    uow: Box<dyn UnitOfWork>,
    actor: Actor,
    now: DateTime<Utc>,
    batch: &'a Batch,
    /// The agents of the batch, as far as they are written.
    written: AgentIds,
}

impl Writing<'_> {
    async fn agent(&mut self, document: &AgentDocument) -> Result<Published> {
        let published = self.agent_version(document).await?;
        self.written.insert(published.name.clone(), AgentId::from_uuid(published.id));
        Ok(published)
    }

    async fn agent_version(&mut self, document: &AgentDocument) -> Result<Published> {
        let id = AgentId::from_uuid(self.use_cases.ports.ids.next());
        let latest = self.uow.agents().lock_latest(self.actor.id, document.name.as_str()).await?;
        let (mut agent, change) = match latest {
            None => (document.to_agent(id, self.actor.id, self.now), Change::Created),
            Some(latest) => {
                let mut same = latest.clone();
                document.write_to(&mut same);
                if latest.is_active() && same == latest {
                    return Ok(published_agent(&latest, Change::Unchanged));
                }
                let mut next = latest.next_version(id, self.now);
                document.write_to(&mut next);
                self.retire_agent(latest).await?;
                (next, Change::Updated)
            }
        };
        agent.status = AgentStatus::Active;
        self.uow.agents().insert(std::slice::from_ref(&agent)).await?;
        self.audit("agent.published", "agent", agent.id.as_uuid()).await?;
        Ok(published_agent(&agent, change))
    }

    async fn workflow(&mut self, document: &Document) -> Result<Published> {
        let ids = &self.use_cases.ports.ids;
        let id = WorkflowId::from_uuid(ids.next());
        let agents = self.agents_of(document).await?;
        let rows = StepRows { workflow_id: id, agents: &agents, now: self.now };
        let steps = document.to_steps(rows, || WorkflowStepId::from_uuid(ids.next()));
        let latest = self.uow.workflows().lock_latest(self.actor.id, document.name().as_str()).await?;
        let (new, change) = match latest {
            None => {
                let new = NewWorkflow { id, user_id: self.actor.id, name: document.name().clone() };
                (Workflow::new(new, self.now), Change::Created)
            }
            Some(latest) => {
                if latest.is_active() && self.is_same(&latest, document, &steps).await? {
                    return Ok(published_workflow(&latest, Change::Unchanged));
                }
                let next = latest.next_version(id, self.now);
                self.retire_workflow(latest).await?;
                (next, Change::Updated)
            }
        };
        let workflow = with_document(new, document);
        self.uow.workflows().insert(&workflow, &steps).await?;
        self.audit("workflow.published", "workflow", workflow.id.as_uuid()).await?;
        Ok(published_workflow(&workflow, change))
    }

    /// Makes the active version of the name inactive: mostly the latest, but that may be a draft, or be deleted.
    async fn retire_agent(&mut self, latest: Agent) -> Result<()> {
        let active = if latest.is_active() {
            Some(latest)
        } else {
            // The name is locked: nobody else publishes another meanwhile.
            self.use_cases.ports.queries.agents().find_active(self.actor.id, latest.name.as_str()).await?
        };
        // Without one of the owner's own, a public one is found.
        if let Some(active) = active.filter(|active| active.user_id == self.actor.id) {
            self.uow.agents().save(&Agent { status: AgentStatus::Inactive, ..active }, self.now).await?;
        }
        Ok(())
    }

    /// Makes the active version of the name inactive, as with agents.
    async fn retire_workflow(&mut self, latest: Workflow) -> Result<()> {
        let active = if latest.is_active() {
            Some(latest)
        } else {
            self.use_cases.ports.queries.workflows().find_active(self.actor.id, latest.name.as_str()).await?
        };
        if let Some(active) = active.filter(|active| active.user_id == self.actor.id) {
            self.uow.workflows().save(&Workflow { status: WorkflowStatus::Inactive, ..active }, self.now).await?;
        }
        Ok(())
    }

    /// The agents that a workflow names: those of the batch as they are written now, the others as they are.
    async fn agents_of(&mut self, document: &Document) -> Result<AgentIds> {
        let mut ids = AgentIds::new();
        for name in document.agent_names() {
            let id = match self.use_cases.find_agent(self.actor, self.batch, &name).await? {
                Some(AgentTarget::Stored(id)) => Some(id),
                Some(AgentTarget::OfBatch) => self.written.get(&name).copied(),
                None => None,
            };
            // It was there when the batch was checked: somebody has retired it since.
            ids.insert(name.clone(), id.ok_or(Error::NotFound { entity: "agent", name })?);
        }
        Ok(ids)
    }

    /// Whether the active version says the same, and its steps point at the same agents.
    async fn is_same(&mut self, active: &Workflow, document: &Document, steps: &[WorkflowStep]) -> Result<bool> {
        if active.definition != document.canonical() {
            return Ok(false);
        }
        let stored = self.use_cases.ports.queries.workflows().steps(active.id).await?;
        let agents = |steps: &[WorkflowStep]| -> BTreeMap<StepKey, Option<AgentId>> {
            steps.iter().map(|step| (step.step_key.clone(), step.agent_id)).collect()
        };
        Ok(agents(&stored) == agents(steps))
    }

    async fn audit(&mut self, action: &'static str, resource_type: &'static str, resource: Uuid) -> Result<()> {
        let entry = (self.actor.id, action, resource_type, resource);
        self.use_cases.audit(self.uow.as_mut(), entry, self.now).await
    }
}

/// An active workflow with what the document says, in the columns and as a whole.
fn with_document(workflow: Workflow, document: &Document) -> Workflow {
    let definition = document.canonical();
    let schedule = document.triggers().schedule.as_ref();
    Workflow {
        description: document.description().map(str::to_owned),
        status: WorkflowStatus::Active,
        trigger_config: definition.get("triggers").cloned().unwrap_or_else(|| json!({})),
        schedule_enabled: schedule.is_some(),
        schedule_cron: schedule.map(|schedule| schedule.cron.clone()),
        schedule_timezone: schedule.map_or(TimeZone::UTC, |schedule| schedule.timezone),
        tags: document.tags().to_vec(),
        definition,
        ..workflow
    }
}

/// What is understood and stored, but not acted on by this version.
fn warnings(batch: &Batch) -> Vec<LocatedProblem> {
    let of_entry = |entry: &Entry<Document>| {
        let unsupported = entry.document.unsupported().into_iter();
        let problems = unsupported.map(|(path, sentence)| Problem::new("unsupported", path, sentence)).collect();
        entry.source.locate(problems).collect::<Vec<_>>()
    };
    batch.workflows.iter().flat_map(of_entry).collect()
}

fn published_agent(agent: &Agent, change: Change) -> Published {
    Published {
        kind: PublishedKind::Agent,
        name: agent.name.to_string(),
        id: agent.id.as_uuid(),
        version: agent.version,
        change,
    }
}

fn published_workflow(workflow: &Workflow, change: Change) -> Published {
    Published {
        kind: PublishedKind::Workflow,
        name: workflow.name.to_string(),
        id: workflow.id.as_uuid(),
        version: workflow.version,
        change,
    }
}
