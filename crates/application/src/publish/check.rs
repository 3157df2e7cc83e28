//! What can only be checked with the world at hand: schemas, agents' configs, names of others.

use std::fmt::Write;

use serde_json::{Value, json};
use turbocat_domain::{
    agent::{AgentStatus, AgentType},
    document::Document,
    id::AgentId,
    port::{RepositoryError, SchemaProblem},
    problem::{Problem, Problems},
    workflow::WorkflowStatus,
};

use super::batch::{Batch, Entry};
use crate::{Actor, AgentDocument, Error, LocatedProblem, Result, Selector, UseCases};

/// The agent that a step names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentTarget {
    /// One that is published with the workflow.
    OfBatch,
    /// One that is there already.
    Stored(AgentId),
}

impl UseCases {
    /// Checks the documents of a batch against the world.
    pub(super) async fn check(&self, actor: Actor, batch: &Batch) -> Result<Vec<LocatedProblem>> {
        let mut located = Vec::new();
        for entry in &batch.agents {
            let problems = self.check_agent(actor, batch, entry).await?;
            located.extend(entry.source.locate(problems));
        }
        for entry in &batch.workflows {
            located.extend(entry.source.locate(self.check_schedule(&entry.document)));
        }
        for source in batch.workflow_sources() {
            let mut problems = self.check_input_schema(source.value.get("input"));
            problems.extend(self.check_agent_names(actor, batch, &source.value).await?);
            located.extend(source.locate(problems));
        }
        Ok(located)
    }

    async fn check_agent(&self, actor: Actor, batch: &Batch, entry: &Entry<AgentDocument>) -> Result<Problems> {
        let agent = &entry.document;
        let checked = self.ports.agent_configs.check(agent.kind, &agent.config).await;
        let mut problems: Problems = checked.err().unwrap_or_default().into_iter().map(of_config).collect();
        if agent.kind == AgentType::Workflow {
            problems.extend(self.check_called_workflow(actor, batch, entry.called_workflow()).await?);
        }
        Ok(problems)
    }

    /// Checks that an agent of type `workflow` names one: of the batch, one's own, or a public one; by name or by id.
    async fn check_called_workflow(&self, actor: Actor, batch: &Batch, name: Option<&str>) -> Result<Option<Problem>> {
        const PLACE: &str = "config.workflow";
        let Some(name) = name else {
            let message = "an agent of type `workflow` names the workflow that it runs";
            return Ok(Some(Problem::new("invalid_config", PLACE, message)));
        };
        if batch.has_workflow(name) {
            return Ok(None);
        }
        let selector = name.parse().map_or_else(|_| Selector::Name(name.to_owned()), Selector::Id);
        match self.workflow(actor, &selector).await {
            Ok(workflow) if workflow.status == WorkflowStatus::Active => Ok(None),
            Ok(_) | Err(Error::NotFound { .. }) => {
                let message = format!("there is no active workflow `{name}`, neither here nor published");
                Ok(Some(Problem::new("unknown_workflow", PLACE, message)))
            }
            Err(error) => Err(error),
        }
    }

    fn check_input_schema(&self, schema: Option<&Value>) -> Problems {
        let broken = schema
            .filter(|schema| schema.is_object())
            .and_then(|schema| self.ports.schemas.check(schema).err())
            .unwrap_or_default();
        broken.into_iter().map(|problem| of_schema("input", &problem)).collect()
    }

    /// Checks that a workflow with a schedule can be started without an input: a schedule has none to give.
    fn check_schedule(&self, document: &Document) -> Problems {
        let mut problems = Problems::default();
        let (Some(_), Some(schema)) = (&document.triggers().schedule, document.input()) else { return problems };
        // A broken schema is a problem of its own.
        let refused = match self.ports.schemas.check(schema) {
            Ok(()) => self.ports.schemas.validate(schema, &json!({})).err().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        for problem in refused {
            let place = if problem.pointer.is_empty() { "it".to_owned() } else { format!("`{}`", problem.pointer) };
            let message = format!(
                "a schedule starts the workflow with `{{}}`, which its `input` does not take: {place} {}; \
                 let the input have defaults or be optional",
                problem.message
            );
            problems.add("schedule_input", "triggers.schedule", message);
        }
        problems
    }

    async fn check_agent_names(&self, actor: Actor, batch: &Batch, document: &Value) -> Result<Problems> {
        let mut problems = Problems::default();
        let steps = document.get("steps").and_then(Value::as_array).into_iter().flatten();
        for (index, step) in steps.enumerate() {
            let Some(name) = step.get("agent").and_then(Value::as_str) else { continue };
            if self.find_agent(actor, batch, name).await?.is_none() {
                let message = format!("there is no active agent `{name}`, neither here nor published");
                problems.add("unknown_agent", format!("steps[{index}].agent"), message);
            }
        }
        Ok(problems)
    }

    /// Finds the agent that a step means: one of the batch, one's own, or a public one; by name or by id.
    pub(super) async fn find_agent(&self, actor: Actor, batch: &Batch, name: &str) -> Result<Option<AgentTarget>> {
        if batch.has_agent(name) {
            return Ok(Some(AgentTarget::OfBatch));
        }
        let agents = self.ports.queries.agents();
        let found = match name.parse::<AgentId>() {
            Ok(id) => match agents.get(id).await {
                Ok(agent) => Some(agent),
                Err(RepositoryError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            Err(_) => agents.find_active(actor.id, name).await?,
        };
        let usable = found.filter(|agent| agent.status == AgentStatus::Active && agent.is_usable_by(actor.id));
        Ok(usable.map(|agent| AgentTarget::Stored(agent.id)))
    }
}

/// Puts a problem of a config at its place in the document.
fn of_config(problem: Problem) -> Problem {
    let path = match problem.path.as_str() {
        "" => "config".to_owned(),
        path if path.starts_with('[') => format!("config{path}"),
        path => format!("config.{path}"),
    };
    Problem { path, ..problem }
}

/// Puts a problem of a schema at its place in the document: a pointer becomes a path.
fn of_schema(root: &str, problem: &SchemaProblem) -> Problem {
    let mut path = root.to_owned();
    for part in problem.pointer.split('/').skip(1) {
        let _infallible = match part.parse::<usize>() {
            Ok(index) => write!(path, "[{index}]"),
            Err(_) => write!(path, ".{}", part.replace("~1", "/").replace("~0", "~")),
        };
    }
    Problem::new("invalid_schema", path, problem.message.clone())
}
