//! The plans of the workflows that run, compiled once a version.
//!
//! What is published never changes, so its plan is kept; a draft, which may change between two test runs, is read
//! each time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;
use turbocat_domain::{
    document::Document,
    id::WorkflowId,
    plan::{Plan, StepBinding},
    port::{RepositoryError, SchemaProblem},
    step_run::StepError,
    workflow::{Workflow, WorkflowStatus},
    workflow_step::WorkflowStep,
};

use crate::core::{Chain, Core};

/// A workflow that can be run.
#[derive(Debug)]
pub(crate) struct LoadedWorkflow {
    pub(crate) plan: Arc<Plan>,
    /// The schema of its input, if it has one.
    pub(crate) input_schema: Option<Value>,
}

impl LoadedWorkflow {
    /// Refuses an input that it does not take; `refusal` begins the sentence that says so.
    pub(crate) fn check_input(&self, core: &Core, input: &Value, refusal: &str) -> Result<(), StepError> {
        let Some(schema) = &self.input_schema else { return Ok(()) };
        core.ports.schemas.validate(schema, input).map_err(|problems| {
            StepError::permanent("invalid_input", format!("{refusal}: {}", SchemaProblem::list(&problems)))
        })
    }
}

/// The workflows that were loaded.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    loaded: RwLock<HashMap<WorkflowId, Arc<LoadedWorkflow>>>,
}

impl Plans {
    /// So many are kept.
    const KEPT_MAX: usize = 1_000;

    /// The workflow, if it is loaded.
    pub(crate) fn find(&self, id: WorkflowId) -> Option<Arc<LoadedWorkflow>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, id: WorkflowId, workflow: &Arc<LoadedWorkflow>) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= Self::KEPT_MAX {
            loaded.clear();
        }
        loaded.insert(id, Arc::clone(workflow));
    }
}

/// Loads and compiles a workflow; tries again for as long as storage fails transiently.
pub(crate) async fn load(core: &Arc<Core>, id: WorkflowId) -> Result<Arc<LoadedWorkflow>, StepError> {
    if let Some(loaded) = core.plans.find(id) {
        return Ok(loaded);
    }
    let read = core.call_again("workflow.get", || {
        let queries = Arc::clone(&core.ports.queries);
        async move { Ok((queries.workflows().get(id).await?, queries.workflows().steps(id).await?)) }
    });
    let (workflow, steps) = read.await.map_err(|error| unreadable(id, &error))?;
    let loaded = Arc::new(compile(&workflow, &steps)?);
    if workflow.status != WorkflowStatus::Draft {
        core.plans.keep(id, &loaded);
    }
    Ok(loaded)
}

fn unreadable(id: WorkflowId, error: &RepositoryError) -> StepError {
    tracing::error!(workflow.id = %id, error = %Chain(error), "the workflow cannot be read");
    let code =
        if matches!(error, RepositoryError::NotFound { .. }) { "workflow_not_found" } else { "workflow_unreadable" };
    StepError::permanent(code, format!("the workflow of this execution cannot be loaded: {error}"))
}

fn compile(workflow: &Workflow, steps: &[WorkflowStep]) -> Result<LoadedWorkflow, StepError> {
    let invalid = |problem: &dyn std::fmt::Display| {
        let message = format!("version {} of workflow {} cannot be run: {problem}", workflow.version, workflow.name);
        StepError::permanent("workflow_invalid", message)
    };
    let document = Document::parse(&workflow.definition).map_err(|problems| invalid(&problems))?;
    let bindings: BTreeMap<_, _> = steps
        .iter()
        .map(|step| (step.step_key.clone(), StepBinding { workflow_step_id: step.id, agent_id: step.agent_id }))
        .collect();
    let plan = Plan::compile(&document, &bindings).map_err(|error| invalid(&error))?;
    Ok(LoadedWorkflow { plan: Arc::new(plan), input_schema: document.input().cloned() })
}
