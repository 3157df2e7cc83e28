//! Starting and cancelling executions, and looking at them.

use std::collections::BTreeMap;

use serde_json::Value;
use turbocat_domain::{
    document::Document,
    execution::{Execution, TriggerType},
    id::{ExecutionId, WorkflowId},
    limits,
    plan::{Plan, StepBinding},
    port::{CancelOutcome, ExecutionAcceptor, NewExecution, RepositoryError, SchemaProblem},
    problem::Problem,
    value::json_text,
    workflow::{Workflow, WorkflowStatus},
};

use crate::{Actor, Error, InvalidInput, Result, UseCases};

/// Which workflow is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The active version of this name: one's own, else a public one.
    Name(String),
    /// This version.
    Id(WorkflowId),
}

/// An execution that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct StartExecution {
    /// Its id, minted by who asks: so they can look on before it exists.
    pub id: ExecutionId,
    /// Of what.
    pub workflow: Selector,
    /// With which input.
    pub input: Value,
    /// What starts it.
    pub trigger_type: TriggerType,
    /// What is known about that.
    pub trigger_data: Value,
}

impl UseCases {
    /// Starts an execution of an active workflow and returns its id.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NotActive`], or [`Error::Input`] with all the places at which the input is not
    /// what the workflow takes; then there is no execution.
    pub async fn start_execution(
        &self,
        actor: Actor,
        acceptor: &dyn ExecutionAcceptor,
        request: StartExecution,
    ) -> Result<ExecutionId> {
        let workflow = self.workflow(actor, &request.workflow).await?;
        if workflow.status != WorkflowStatus::Active {
            let name = workflow.name.to_string();
            return Err(Error::NotActive { name, status: workflow.status.as_str() });
        }
        let document = Document::parse(&workflow.definition)
            .map_err(|source| Error::Corrupt { name: workflow.name.to_string(), source })?;
        self.check_input(&workflow, &document, &request.input)?;
        let plan = self.plan(&workflow, &document).await?;
        let id = request.id;
        let execution = NewExecution {
            id,
            workflow_id: workflow.id,
            user_id: actor.id,
            trigger_type: request.trigger_type,
            trigger_data: request.trigger_data,
            input: request.input,
            steps_total: plan.steps_total(),
            timeout_ms: plan.settings().timeout_ms,
            parent: None,
            depth: 0,
        };
        acceptor.accept(vec![execution]).await?;
        tracing::info!(execution.id = %id, workflow = %workflow.name, version = %workflow.version, "accepted");
        Ok(id)
    }

    /// Asks for an execution to be cancelled.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn cancel_execution(&self, actor: Actor, id: ExecutionId) -> Result<CancelOutcome> {
        self.execution(actor, id).await?;
        Ok(self.ports.queue.request_cancel(id).await?)
    }

    /// Reads an execution.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn execution(&self, actor: Actor, id: ExecutionId) -> Result<Execution> {
        let missing = || Error::NotFound { entity: "execution", name: id.to_string() };
        match self.ports.queries.executions().get(id).await {
            Ok(execution) if actor.sees(execution.user_id) => Ok(execution),
            Ok(_) | Err(RepositoryError::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds a workflow that the actor may use.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none.
    pub async fn workflow(&self, actor: Actor, selector: &Selector) -> Result<Workflow> {
        let workflows = self.ports.queries.workflows();
        let (found, name) = match selector {
            Selector::Name(name) => (workflows.find_active(actor.id, name).await?, name.clone()),
            Selector::Id(id) => match workflows.get(*id).await {
                Ok(workflow) => (Some(workflow), id.to_string()),
                Err(RepositoryError::NotFound { .. }) => (None, id.to_string()),
                Err(error) => return Err(error.into()),
            },
        };
        found.filter(|workflow| workflow.is_usable_by(actor.id)).ok_or(Error::NotFound { entity: "workflow", name })
    }

    /// Compiles the workflow as the engine will: what it cannot run is not accepted.
    async fn plan(&self, workflow: &Workflow, document: &Document) -> Result<Plan> {
        let steps = self.ports.queries.workflows().steps(workflow.id).await?;
        let bindings = steps
            .into_iter()
            .map(|step| (step.step_key, StepBinding { workflow_step_id: step.id, agent_id: step.agent_id }));
        Plan::compile(document, &bindings.collect::<BTreeMap<_, _>>()).map_err(|error| Error::Corrupt {
            name: workflow.name.to_string(),
            source: Problem::new("workflow_invalid", "", error.to_string()).into(),
        })
    }

    fn check_input(&self, workflow: &Workflow, document: &Document, input: &Value) -> Result<()> {
        let problems = self.input_problems(document, input);
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::Input(InvalidInput { workflow: workflow.name.to_string(), problems }))
    }

    fn input_problems(&self, document: &Document, input: &Value) -> Vec<SchemaProblem> {
        let whole = |message: String| vec![SchemaProblem { pointer: String::new(), message }];
        if let Err(error) = limits::EXECUTION_INPUT.check(input) {
            return whole(error.to_string());
        }
        if json_text::clean(input.clone()).1 {
            return whole("text may not have the character NUL".to_owned());
        }
        match document.input() {
            Some(schema) => self.ports.schemas.validate(schema, input).err().unwrap_or_default(),
            None => Vec::new(),
        }
    }
}
