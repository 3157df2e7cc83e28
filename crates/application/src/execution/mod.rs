//! Starting executions, and looking at them.

mod request;

use std::collections::BTreeMap;

use serde_json::Value;
use turbocat_domain::{
    deployment::Deployment,
    document::Document,
    execution::{Execution, TriggerType},
    execution_log::ExecutionLog,
    id::{DeploymentId, ExecutionId, UserId, WorkflowId},
    limits,
    permission::Permission,
    plan::{Plan, StepBinding},
    port::{
        ExecutionAcceptor, ExecutionFilter, LogFilter, NewExecution, Page, PageRequest, PartRecord, RepositoryError,
        SchemaProblem,
    },
    problem::Problem,
    step_run::StepRecord,
    value::json_text,
    workflow::{Workflow, WorkflowStatus},
};

use crate::{Actor, Error, Idempotency, InvalidInput, Result, UseCases, deployment};

/// Which workflow is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// The active version of this name: one's own, else a public one.
    Name(String),
    /// This version.
    Id(WorkflowId),
    /// What this deployment runs, in its way.
    Deployment(DeploymentId),
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

/// An execution that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub id: ExecutionId,
    /// The version of the workflow that it runs.
    pub workflow_id: WorkflowId,
    /// Whether it was accepted before, by the same request.
    pub is_repeated: bool,
}

/// A workflow that can be run.
pub(crate) struct Runnable {
    workflow: Workflow,
    document: Document,
    steps_total: u32,
    timeout_ms: u64,
    /// By which it is started.
    deployment: Option<Box<Deployment>>,
}

impl Runnable {
    /// The same, as a deployment runs it.
    pub(crate) fn by(self, deployment: Deployment) -> Self {
        let timeout_ms = deployment::timeout_ms(&deployment, self.timeout_ms);
        Self { timeout_ms, deployment: Some(Box::new(deployment)), ..self }
    }
}

/// The document of a stored workflow.
pub(crate) fn document_of(workflow: &Workflow) -> Result<Document> {
    Document::parse(&workflow.definition).map_err(|source| Error::Corrupt { name: workflow.name.to_string(), source })
}

impl UseCases {
    /// Starts an execution for a request that may be sent again: all of them get the same execution. Its id is fixed
    /// before it is accepted, and accepting it again changes nothing, so neither a crash in between nor requests at
    /// the same time make another one.
    ///
    /// # Errors
    ///
    /// As [`Self::start_execution`], and [`Error::IdempotencyConflict`].
    pub async fn start_once(
        &self,
        (actor, once): (Actor, &Idempotency),
        acceptor: &dyn ExecutionAcceptor,
        request: StartExecution,
    ) -> Result<Started> {
        actor.ensure(Permission::ExecutionsStart)?;
        let mut uow = self.ports.store.begin().await?;
        let claim = (request.id.as_uuid(), self.ports.clock.now());
        let standing = once.claim(uow.as_mut(), actor, claim).await?;
        let id = standing.as_ref().map_or(request.id, |record| ExecutionId::from_uuid(record.resource_id));
        if standing.is_some()
            && let Some(started) = self.accepted_before(actor, id).await?
        {
            return Ok(started);
        }
        // What is not valid does not use the key up.
        let execution = self.prepare(actor, StartExecution { id, ..request }).await?;
        uow.commit().await?;
        let workflow_id = execution.workflow_id;
        match acceptor.accept(vec![execution]).await {
            Ok(()) => Ok(Started { id, workflow_id, is_repeated: standing.is_some() }),
            // Accepted at the same time, with the version that was active then.
            Err(error @ RepositoryError::AlreadyExists { .. }) => {
                self.accepted_before(actor, id).await?.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn accepted_before(&self, actor: Actor, id: ExecutionId) -> Result<Option<Started>> {
        match self.stored_execution(actor, id).await {
            Ok(execution) => Ok(Some(Started { id, workflow_id: execution.workflow_id, is_repeated: true })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts an execution of an active workflow.
    ///
    /// # Errors
    ///
    /// As [`Self::start_execution`].
    pub async fn start(
        &self,
        actor: Actor,
        acceptor: &dyn ExecutionAcceptor,
        request: StartExecution,
    ) -> Result<Started> {
        let execution = self.prepare(actor, request).await?;
        let (id, workflow_id) = (execution.id, execution.workflow_id);
        acceptor.accept(vec![execution]).await?;
        Ok(Started { id, workflow_id, is_repeated: false })
    }

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
        Ok(self.start(actor, acceptor, request).await?.id)
    }

    /// Checks all that is to be checked, and makes of it what is accepted.
    async fn prepare(&self, actor: Actor, request: StartExecution) -> Result<NewExecution> {
        actor.ensure(Permission::ExecutionsStart)?;
        let runnable = self.runnable(actor, &request.workflow).await?;
        self.checked_start(actor, &runnable, request)
    }

    /// Finds what is to be run, and compiles it.
    pub(crate) async fn runnable(&self, actor: Actor, selector: &Selector) -> Result<Runnable> {
        if let Selector::Deployment(id) = selector {
            return self.deployed(actor, *id).await;
        }
        let workflow = self.workflow(actor, selector).await?;
        if workflow.status != WorkflowStatus::Active {
            let name = workflow.name.to_string();
            return Err(Error::NotActive { name, status: workflow.status.as_str() });
        }
        let document = document_of(&workflow)?;
        self.compiled(workflow, document).await
    }

    /// Compiles what was found.
    pub(crate) async fn compiled(&self, workflow: Workflow, document: Document) -> Result<Runnable> {
        let plan = self.plan(&workflow, &document).await?;
        let (steps_total, timeout_ms) = (plan.steps_total(), plan.settings().timeout_ms);
        Ok(Runnable { steps_total, timeout_ms, workflow, document, deployment: None })
    }

    /// Checks the input, and makes of a request what is accepted.
    pub(crate) fn checked_start(
        &self,
        actor: Actor,
        runnable: &Runnable,
        request: StartExecution,
    ) -> Result<NewExecution> {
        let request = match &runnable.deployment {
            Some(deployment) => deployment::applied(deployment, request),
            None => request,
        };
        self.check_input(&runnable.workflow, &runnable.document, &request.input)?;
        Ok(NewExecution {
            id: request.id,
            workflow_id: runnable.workflow.id,
            user_id: actor.id,
            trigger_type: request.trigger_type,
            trigger_data: request.trigger_data,
            input: request.input,
            steps_total: runnable.steps_total,
            timeout_ms: runnable.timeout_ms,
            parent: None,
            depth: 0,
        })
    }

    /// Reads an execution.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn execution(&self, actor: Actor, id: ExecutionId) -> Result<Execution> {
        actor.ensure(Permission::ExecutionsRead)?;
        self.stored_execution(actor, id).await
    }

    /// A page of executions: of all users for an administrator, one's own for the others.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn executions(
        &self,
        actor: Actor,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        actor.ensure(Permission::ExecutionsRead)?;
        let user = filter.user.filter(|user| actor.sees(*user));
        let user = if actor.sees_all() { user } else { Some(actor.id) };
        Ok(self.ports.queries.executions().list(&ExecutionFilter { user, ..filter }, page).await?)
    }

    /// What the steps of an execution have recorded, in the order in which it happened.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn step_records(&self, actor: Actor, id: ExecutionId) -> Result<Vec<StepRecord>> {
        self.execution(actor, id).await?;
        Ok(self.ports.queries.executions().step_records(id).await?)
    }

    /// What is new of an execution for who looks on: records that have ended, from a place in their order, and behind
    /// them those that run; at most so many of each, without their outputs.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`]. Whether who asks may see the execution was asked before.
    pub async fn step_news(&self, id: ExecutionId, (from_seq, limit): (u32, u16)) -> Result<Vec<StepRecord>> {
        Ok(self.ports.queries.executions().step_news(id, from_seq, limit).await?)
    }

    /// A page of what the steps of an execution did on their way: turns of models, calls of tools.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn execution_parts(&self, actor: Actor, id: ExecutionId, page: PageRequest) -> Result<Page<PartRecord>> {
        self.execution(actor, id).await?;
        Ok(self.ports.queries.executions().part_records(id, page).await?)
    }

    /// A page of the log of an execution, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn execution_logs(
        &self,
        actor: Actor,
        id: ExecutionId,
        (filter, page): (&LogFilter, PageRequest),
    ) -> Result<Page<ExecutionLog>> {
        self.execution(actor, id).await?;
        Ok(self.ports.queries.executions().logs(id, filter, page).await?)
    }

    pub(crate) async fn stored_execution(&self, actor: Actor, id: ExecutionId) -> Result<Execution> {
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
        self.workflow_of(actor.id, selector).await
    }

    /// Finds a workflow that a user may use.
    pub(crate) async fn workflow_of(&self, user: UserId, selector: &Selector) -> Result<Workflow> {
        let workflows = self.ports.queries.workflows();
        let (found, name) = match selector {
            // What a deployment runs is found by it alone.
            Selector::Deployment(id) => (None, id.to_string()),
            Selector::Name(name) => (workflows.find_active(user, name).await?, name.clone()),
            Selector::Id(id) => match workflows.get(*id).await {
                Ok(workflow) => (Some(workflow), id.to_string()),
                Err(RepositoryError::NotFound { .. }) => (None, id.to_string()),
                Err(error) => return Err(error.into()),
            },
        };
        found.filter(|workflow| workflow.is_usable_by(user)).ok_or(Error::NotFound { entity: "workflow", name })
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
