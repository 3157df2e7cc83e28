//! The documents of all files, parsed.

use std::collections::BTreeMap;

use serde_json::Value;
use turbocat_domain::{agent::AgentType, document::Document, problem::Problems};

use crate::{
    AgentDocument, LocatedProblem, SourceFile,
    source::{SourceDocument, read},
};

/// The kinds of documents.
const AGENT: &str = "agent";
const WORKFLOW: &str = "workflow";

/// One parsed document, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Entry<D> {
    pub(super) source: SourceDocument,
    pub(super) document: D,
}

impl Entry<AgentDocument> {
    /// The workflow that the agent runs, if it is one that runs a workflow.
    pub(super) fn called_workflow(&self) -> Option<&str> {
        (self.document.kind == AgentType::Workflow).then(|| self.document.config.get("workflow")?.as_str())?
    }
}

/// The documents of all files that are to be published together.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) agents: Vec<Entry<AgentDocument>>,
    pub(super) workflows: Vec<Entry<Document>>,
    /// Workflows that have problems of their own; what they name is checked all the same.
    pub(super) broken_workflows: Vec<SourceDocument>,
    /// Agents that have problems of their own; they are not unknown as well.
    pub(super) broken_agents: Vec<SourceDocument>,
}

impl Batch {
    /// Reads and parses what can be; the rest is in the problems.
    pub(super) fn read(sources: &[SourceFile]) -> (Self, Vec<LocatedProblem>) {
        let mut batch = Self::default();
        let mut problems = Vec::new();
        for source in sources {
            match read(source) {
                Ok(documents) => documents.into_iter().for_each(|document| batch.add(document, &mut problems)),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(duplicates(&batch.agents, |agent| agent.name.as_str()));
        problems.extend(duplicates(&batch.workflows, |workflow| workflow.name().as_str()));
        (batch, problems)
    }

    /// Whether there is an agent of this name, with problems or without.
    pub(super) fn has_agent(&self, name: &str) -> bool {
        self.agents.iter().any(|entry| entry.document.name.as_str() == name)
            || self.broken_agents.iter().any(|source| is_named(source, name))
    }

    /// Whether there is a workflow of this name, with problems or without.
    pub(super) fn has_workflow(&self, name: &str) -> bool {
        self.workflows.iter().any(|entry| entry.document.name().as_str() == name)
            || self.broken_workflows.iter().any(|source| is_named(source, name))
    }

    /// The workflows as they are written, with problems or without.
    pub(super) fn workflow_sources(&self) -> impl Iterator<Item = &SourceDocument> {
        self.workflows.iter().map(|entry| &entry.source).chain(&self.broken_workflows)
    }

    fn add(&mut self, source: SourceDocument, problems: &mut Vec<LocatedProblem>) {
        match kind_of(&source.value) {
            Ok(AGENT) => match AgentDocument::parse(&source.value) {
                Ok(document) => self.agents.push(Entry { source, document }),
                Err(found) => {
                    problems.extend(source.locate(found));
                    self.broken_agents.push(source);
                }
            },
            Ok(_) => match Document::parse(&without_kind(&source.value)) {
                Ok(document) => self.workflows.push(Entry { source, document }),
                Err(found) => {
                    problems.extend(source.locate(found));
                    self.broken_workflows.push(source);
                }
            },
            Err(unknown) => problems.extend(source.locate(unknown)),
        }
    }
}

fn is_named(source: &SourceDocument, name: &str) -> bool {
    source.value.get("name").and_then(Value::as_str) == Some(name)
}

/// What kind of document it is: what it says, or a workflow if it has steps.
fn kind_of(document: &Value) -> Result<&str, Problems> {
    let refused = |code, path: &str, message: &str| {
        let mut problems = Problems::default();
        problems.add(code, path, message);
        Err(problems)
    };
    match document.get("kind") {
        Some(Value::String(kind)) if kind == AGENT || kind == WORKFLOW => Ok(kind),
        Some(_) => refused("invalid_value", "kind", "`kind` must be `agent` or `workflow`"),
        None if document.get("steps").is_some() => Ok(WORKFLOW),
        None => refused(
            "missing_key",
            "",
            "`kind` is required: `agent`, or `workflow` (which may be left out where there are `steps`)",
        ),
    }
}

/// The document as the language knows it: `kind` is of the file, not of the workflow.
fn without_kind(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("kind");
    }
    document
}

fn duplicates<'a, D>(entries: &'a [Entry<D>], name: impl Fn(&'a D) -> &'a str) -> Vec<LocatedProblem> {
    let mut first = BTreeMap::new();
    let mut problems = Vec::new();
    for entry in entries {
        let name = name(&entry.document);
        let Some(place) = first.insert(name, &entry.source) else { continue };
        let message = format!("`{name}` is there already, in document {} of {}", place.index, place.file);
        let mut found = Problems::default();
        found.add("duplicate_name", "name", message);
        problems.extend(entry.source.locate(found));
    }
    problems
}
