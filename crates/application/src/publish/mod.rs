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

use turbocat_domain::value::Version;
use uuid::Uuid;

use crate::{Actor, Error, LocatedProblem, Result, SourceFile, UseCases};
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
        if !actor.may_publish() {
            return Err(Error::Forbidden { action: "publish" });
        }
        let (batch, mut problems) = Batch::read(sources);
        problems.extend(self.check(actor, &batch).await?);
        if !problems.is_empty() {
            problems.sort_by(|one, other| place(one).cmp(&place(other)));
            return Err(Error::Documents(problems));
        }
        self.write(actor, &batch).await
    }
}

fn place(problem: &LocatedProblem) -> (&str, usize, Option<u64>) {
    (&problem.file, problem.document, problem.line)
}
