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

/// Where an agent names the workflow that it runs.
const CALLED_WORKFLOW: &str = "config.workflow";

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
        problems.extend(self.check_capabilities(agent));
        // A name that is none was told with the form of the config.
        if agent.kind == AgentType::Workflow && problems.iter().all(|problem| problem.path != CALLED_WORKFLOW) {
            problems.extend(self.check_called_workflow(actor, batch, entry.called_workflow()).await?);
        }
        Ok(problems)
    }

    /// Checks that the schemas of an agent are some, and that its parameters fit the one of its inputs, each for itself:
    /// what else is needed the steps give.
    fn check_capabilities(&self, agent: &AgentDocument) -> Problems {
        let mut problems = Problems::default();
        let schemas = [("input", &agent.capabilities.input), ("output", &agent.capabilities.output)];
        for (name, schema) in schemas.into_iter().filter_map(|(name, schema)| Some((name, schema.as_ref()?))) {
            let broken = self.ports.schemas.check(schema).err().unwrap_or_default();
            problems.extend(broken.iter().map(|problem| of_schema(&format!("capabilities.{name}"), problem)));
        }
        let input = agent.capabilities.input.as_ref().filter(|_| problems.is_empty());
        let Some((input, parameters)) = input.zip(agent.parameters.as_object()) else { return problems };
        for (name, value) in parameters {
            // One member alone, by what the schema says of it: its other members may be missing here.
            let schema = json!({ "properties": input.get("properties"), "$defs": input.get("$defs") });
            let schema = without_nulls(schema);
            let refused = match self.ports.schemas.check(&schema) {
                Ok(()) => self.ports.schemas.validate(&schema, &json!({ name: value })).err().unwrap_or_default(),
                // A reference into a part of the schema that is not here: the calls of the agent are checked in whole.
                Err(_) => Vec::new(),
            };
            let located =
                refused.iter().map(|problem| Problem { code: "invalid_value", ..of_schema("parameters", problem) });
            problems.extend(located);
        }
        problems
    }

    /// Checks that an agent of type `workflow` names one: of the batch, one's own, or a public one; by name or by id.
    async fn check_called_workflow(&self, actor: Actor, batch: &Batch, name: Option<&str>) -> Result<Option<Problem>> {
        let Some(name) = name else {
            let message = "an agent of type `workflow` names the workflow that it runs";
            return Ok(Some(Problem::new("invalid_config", CALLED_WORKFLOW, message)));
        };
        if batch.has_workflow(name) {
            return Ok(None);
        }
        let selector = name.parse().map_or_else(|_| Selector::Name(name.to_owned()), Selector::Id);
        match self.workflow(actor, &selector).await {
            Ok(workflow) if workflow.status == WorkflowStatus::Active => Ok(None),
            Ok(_) | Err(Error::NotFound { .. }) => {
                let message = format!("there is no active workflow `{name}`, neither here nor published");
                Ok(Some(Problem::new("unknown_workflow", CALLED_WORKFLOW, message)))
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

/// An object without the members that are null.
fn without_nulls(object: Value) -> Value {
    match object {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
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
