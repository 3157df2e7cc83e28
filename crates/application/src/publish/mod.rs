//! Publishing: documents become versions of agents and workflows, all of them or none.
//!
//! First everything is read and checked, and all problems of all documents are reported at once. Then one
//! transaction compares each document with the latest version of its name: if that is active and says the same, it
//! is left as it is; otherwise there is a new version after it, and the active one, if there is one, is retired.
//!
//! # Invariants
//!
//! 1. Applying the same files twice changes nothing the second time.
//! 2. A step points at the version of its agent that was active when the workflow was published, for ever; a new
//!    version of an agent therefore makes a new version of the published workflows that use it.
//! 3. What is published is never edited: an execution that runs keeps its version.
//! 4. The number of a version is used once, also when that version was retired, archived or deleted since.

mod batch;
mod check;
mod write;

use serde_json::{Value, json};
use turbocat_domain::{
    id::{AgentId, WorkflowId},
    permission::Permission,
    port::UnitOfWork,
    value::Version,
};
use uuid::Uuid;

use crate::{Actor, Error, Idempotency, LocatedProblem, Result, SourceFile, UseCases};
use batch::Batch;

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There was no version of this name.
    Created,
    /// It is a new version, and the active one is retired, if there was one.
    Updated,
    /// The latest version is active and says the same.
    Unchanged,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What kind of document it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedKind {
    /// An agent.
    Agent,
    /// A workflow.
    Workflow,
}

impl PublishedKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Workflow => "workflow",
        }
    }
}

/// A document that is published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What kind of document it was.
    pub kind: PublishedKind,
    /// What it is called.
    pub name: String,
    /// The active version's id.
    pub id: Uuid,
    /// The active version.
    pub version: Version,
    /// What became of the document.
    pub change: Change,
}

impl Published {
    /// The id as text: which kind of thing it is of can be read from it.
    fn text_id(&self) -> String {
        match self.kind {
            PublishedKind::Agent => AgentId::from_uuid(self.id).to_string(),
            PublishedKind::Workflow => WorkflowId::from_uuid(self.id).to_string(),
        }
    }
}

/// What publishing did: agents first, then workflows, each in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// The documents.
    pub published: Vec<Published>,
    /// What in the documents is understood, but not acted on by this version.
    pub warnings: Vec<LocatedProblem>,
}

/// Files that were read, before anything is looked up.
#[derive(Debug, Clone)]
pub struct Reading {
    batch: Batch,
}

impl PublishReport {
    /// The report as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let published = self.published.iter().map(|one| {
            json!({
                "kind": one.kind.as_str(), "name": one.name, "id": one.text_id(), "version": one.version.get(),
                "change": one.change.as_str(),
            })
        });
        json!({ "published": published.collect::<Vec<_>>(), "warnings": self.warnings })
    }
}

impl Reading {
    /// Reads files.
    ///
    /// # Errors
    ///
    /// [`Error::Documents`] with all problems that can be found without looking anything up.
    pub fn read(sources: &[SourceFile]) -> Result<Self> {
        let (batch, mut problems) = Batch::read(sources);
        problems.sort_by(|one, other| place(one).cmp(&place(other)));
        if problems.is_empty() { Ok(Self { batch }) } else { Err(Error::Documents(problems)) }
    }

    /// The names of the workflows, in the order of the files.
    #[must_use]
    pub fn workflows(&self) -> Vec<&str> {
        self.batch.workflows.iter().map(|entry| entry.document.name().as_str()).collect()
    }

    /// The names of the workflows that no agent of the files runs: what a person would start.
    #[must_use]
    pub fn entry_workflows(&self) -> Vec<&str> {
        let called: Vec<&str> = self.batch.agents.iter().filter_map(|entry| entry.called_workflow()).collect();
        self.workflows().into_iter().filter(|name| !called.contains(name)).collect()
    }
}

impl UseCases {
    /// Publishes files of documents.
    ///
    /// # Errors
    ///
    /// [`Error::Documents`] with the problems of all documents; then nothing is stored.
    pub async fn publish(&self, actor: Actor, sources: &[SourceFile]) -> Result<PublishReport> {
        let batch = self.checked(actor, sources).await?;
        let uow = self.ports.store.begin().await?;
        let (uow, report) = self.write(uow, actor, &batch).await?;
        uow.commit().await?;
        Ok(report)
    }

    /// Publishes files of documents together with what else is done in a unit of work, which is given back.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub(crate) async fn publish_into(
        &self,
        uow: Box<dyn UnitOfWork>,
        actor: Actor,
        sources: &[SourceFile],
    ) -> Result<(Box<dyn UnitOfWork>, PublishReport)> {
        let batch = self.checked(actor, sources).await?;
        self.write(uow, actor, &batch).await
    }

    /// Publishes files of documents for a request that may be sent again, and returns the report as JSON: the one of
    /// the first time.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`], and [`Error::IdempotencyConflict`].
    pub async fn publish_once(&self, actor: Actor, sources: &[SourceFile], once: &Idempotency) -> Result<Value> {
        let mut uow = self.ports.store.begin().await?;
        let (id, now) = (self.ports.ids.next(), self.ports.clock.now());
        if let Some(standing) = once.claim(uow.as_mut(), actor, (id, now)).await? {
            return Ok(standing.answer.unwrap_or_default());
        }
        let batch = self.checked(actor, sources).await?;
        let (mut uow, report) = self.write(uow, actor, &batch).await?;
        let answer = report.to_value();
        uow.idempotency().answer(actor.id, once.key(), &answer).await?;
        uow.commit().await?;
        Ok(answer)
    }

    /// Reads and checks everything that is to be published.
    async fn checked(&self, actor: Actor, sources: &[SourceFile]) -> Result<Batch> {
        let (batch, mut problems) = Batch::read(sources);
        if !batch.agents.is_empty() || !batch.broken_agents.is_empty() {
            actor.ensure(Permission::AgentsWrite)?;
        }
        if !batch.workflows.is_empty() || !batch.broken_workflows.is_empty() {
            actor.ensure(Permission::WorkflowsWrite)?;
        }
        problems.extend(self.check(actor, &batch).await?);
        if !problems.is_empty() {
            problems.sort_by(|one, other| place(one).cmp(&place(other)));
            return Err(Error::Documents(problems));
        }
        Ok(batch)
    }
}

fn place(problem: &LocatedProblem) -> (&str, usize, Option<u64>) {
    (&problem.file, problem.document, problem.line)
}
