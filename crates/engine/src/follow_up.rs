//! `settings.on_failure`: the workflow that is started when an execution fails or takes too long.
//!
//! # Invariants
//!
//! 1. It is started before the end of the execution that failed is durable, and after all that the end follows from is:
//!    whoever takes the execution over in between starts it again.
//! 2. Its id is a function of the execution that failed: starting it twice is starting it once.
//! 3. What it starts starts nothing of the kind, or two workflows that fail would start each other for ever.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_domain::{
    document::Settings,
    execution::{ExecutionStatus, TriggerType, inherited_of},
    id::UserId,
    limits,
    port::{FinishedExecution, NewExecution},
    step_run::StepError,
};

use crate::{
    children::{child_id, find_workflow, insert, joined},
    core::Core,
    plans::{self, LoadedWorkflow},
    trace,
};

/// What stands in the place of a step's path in the id: no step has such a key.
const PATH: &str = "#on_failure";

/// An execution that is about to end, with what its end does not tell.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) finished: FinishedExecution,
    pub(crate) user_id: UserId,
    pub(crate) trigger: (TriggerType, Value),
    pub(crate) input: Value,
}

/// Whether such an end is followed by something.
pub(crate) fn is_wanted(settings: &Settings, status: ExecutionStatus, trigger_data: &Value) -> bool {
    let has_failed = matches!(status, ExecutionStatus::Failed | ExecutionStatus::Timeout);
    has_failed && settings.on_failure.is_some() && trigger_data.get("on_failure").is_none()
}

/// Starts what follows a failure. That it cannot be started keeps nothing from its end: it is told in the server's log.
pub(crate) async fn start(core: &Arc<Core>, failure: Failure) {
    let (id, workflow) = (failure.finished.id, failure.finished.workflow_id);
    let started = match plans::load(core, workflow).await {
        Ok(loaded) => start_of(core, failure, &loaded).await,
        Err(error) => Err(error),
    };
    if let Err(error) = started {
        tracing::error!(execution.id = %id, workflow.id = %workflow, %error, "its failure is followed by nothing");
    }
}

async fn start_of(core: &Arc<Core>, failure: Failure, failed: &LoadedWorkflow) -> Result<(), StepError> {
    let settings = failed.plan.settings();
    if !is_wanted(settings, failure.finished.status, &failure.trigger.1) {
        return Ok(());
    }
    let named = settings.on_failure.as_deref().unwrap_or_default();
    let workflow_id = find_workflow(core, failure.user_id, named).await?.ok_or_else(|| {
        let message = format!("`settings.on_failure` names `{named}`, of which there is no active version");
        StepError::permanent("workflow_not_found", message)
    })?;
    let follower = plans::load(core, workflow_id).await?;
    let input = input_of(&failure);
    follower.check_input(core, &input, &format!("`{named}` does not take a failure"))?;
    let failed = failure.finished.id;
    let execution = NewExecution {
        id: child_id(failed, PATH, 1),
        workflow_id,
        user_id: failure.user_id,
        trigger_type: TriggerType::Event,
        trigger_data: trace::with(
            joined(json!({ "on_failure": failed.as_uuid() }), inherited_of(&failure.trigger.1)),
            trace::of(&failure.trigger.1),
        ),
        input,
        steps_total: follower.plan.steps_total(),
        timeout_ms: follower.plan.settings().timeout_ms,
        parent: None,
        depth: 0,
    };
    insert(core, execution).await?;
    if let Some(life) = core.life() {
        life.hints.claim();
    }
    Ok(())
}

/// What is known of the execution that failed. Its own input is left out if both would be too much.
fn input_of(failure: &Failure) -> Value {
    let Failure { finished, trigger: (trigger_type, _), input, .. } = failure;
    let known = |input: &Value| {
        json!({
            "id": finished.id.to_string(),
            "workflow_id": finished.workflow_id.to_string(),
            "status": finished.status,
            "error": finished.error,
            "trigger_type": trigger_type,
            "started_at": finished.started_at,
            "ended_at": finished.completed_at,
            "steps_completed": finished.steps_completed,
            "steps_failed": finished.steps_failed,
            "input": input,
        })
    };
    let all = known(input);
    if limits::EXECUTION_INPUT.check(&all).is_ok() { all } else { known(&Value::Null) }
}
