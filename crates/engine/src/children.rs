//! Agents of type `workflow`: they start an execution of another workflow, and answer with its output.
//!
//! A child execution is a row of its own, which any worker claims; its parent waits for it like for an event and
//! leaves memory meanwhile. It is bounded by its own workflow's `settings.timeout_ms`, not by the limits of the
//! step, which are about attempts that hold a worker: a child may wait for people for days.
//!
//! # Invariants
//!
//! 1. The id of a child is a function of its parent, the path and the attempt: starting it twice is starting it
//!    once.
//! 2. A child runs the version that was active when it was first started.
//! 3. A child for whose answer nobody waits any more is asked to be cancelled: at once, and if its parent's worker dies
//!    before that, by the next owner before the parent's end.
//! 4. A child that goes its own way (`wait: false`) is never cancelled with its parent, and tells it nothing: the step has
//!    answered when the child is accepted.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use turbocat_domain::{
    agent::Agent,
    agent_form::{check_input, check_output},
    execution::{DETACHED, Execution, TriggerType, is_detached},
    expression::looks_like_secret,
    id::{ExecutionId, UserId, WorkflowId},
    limits,
    port::{ExecutionFilter, NewExecution, PageRequest, RepositoryError, RequestOutcome},
    step_run::StepError,
    workflow::{Workflow, WorkflowStatus},
};
use turbocat_planted::{Bug, is_planted};
use turbocat_trace::Traceparent;
use uuid::{Builder, Uuid};

use crate::{
    core::{Chain, Core},
    plans, trace,
};

/// A child to be started.
#[derive(Debug, Clone)]
pub(crate) struct ChildCall {
    pub(crate) parent: ExecutionId,
    pub(crate) path: String,
    pub(crate) attempt: u16,
    /// How deep the parent stands.
    pub(crate) depth: u16,
    pub(crate) user_id: UserId,
    pub(crate) agent: Arc<Agent>,
    pub(crate) inputs: Value,
    /// The trace that it goes on with.
    pub(crate) trace: Option<Traceparent>,
    /// What the child takes over from the data of what started its parent.
    pub(crate) inherited: Map<String, Value>,
}

/// The path under which an attempt's child is stored: each attempt has a child of its own.
pub(crate) fn child_path(path: &str, attempt: u16) -> String {
    if attempt <= 1 { path.to_owned() } else { format!("{path}#{attempt}") }
}

/// The id of the child of an attempt. It has the time of its parent's id, so that both lie close together.
pub(crate) fn child_id(parent: ExecutionId, path: &str, attempt: u16) -> ExecutionId {
    let hash =
        Sha256::new().chain_update(parent.as_uuid().as_bytes()).chain_update(child_path(path, attempt)).finalize();
    let mut random = [0; 10];
    random.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
    let (seconds, nanos) = parent.as_uuid().get_timestamp().map_or((0, 0), |time| time.to_unix());
    let millis = seconds.saturating_mul(1_000).saturating_add(u64::from(nanos / 1_000_000));
    let id: Uuid = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    ExecutionId::from_uuid(id)
}

/// Why an execution that has started as many as it may starts no more.
pub(crate) fn too_many() -> StepError {
    let message = format!("the execution has started {} executions, the most that it may", limits::CHILDREN_MAX);
    StepError::permanent("too_many_children", message)
}

/// How many executions one execution may start.
pub(crate) fn children_max() -> usize {
    usize::try_from(limits::CHILDREN_MAX).unwrap_or(usize::MAX)
}

/// Starts a child; it is there afterwards, or there already, or the error says why it cannot be. The answer of a step that
/// does not wait for it.
pub(crate) async fn start(core: &Arc<Core>, call: ChildCall) -> Result<Option<Value>, StepError> {
    if call.depth >= core.options.child_depth_max {
        let limit = core.options.child_depth_max;
        let message = format!("executions may start executions to a depth of {limit}, and this one stands at the end");
        return Err(StepError::permanent("call_depth", message));
    }
    if looks_like_secret(&call.inputs) {
        let message = "a secret is not handed to another execution, where it would be data: name it in a step there";
        return Err(StepError::permanent("secret_not_allowed", message));
    }
    check_input(&call.agent, &call.inputs, &*core.ports.schemas)?;
    let workflow_id = resolve(core, &call.agent).await?;
    let workflow = plans::load(core, workflow_id).await?;
    workflow.check_input(core, &call.inputs, "the workflow does not take these inputs")?;
    let id = child_id(call.parent, &call.path, call.attempt);
    let cause = json!({ "parent_execution_id": call.parent.as_uuid(), "path": call.path });
    let (mut inherited, mut answer) = (call.inherited, None);
    if !call.agent.waits_for_end() {
        inherited.insert(DETACHED.to_owned(), Value::Bool(true));
        let started = json!({ "execution_id": id });
        check_output(&call.agent, &started, &*core.ports.schemas)?;
        answer = Some(started);
    }
    let child = NewExecution {
        id,
        workflow_id,
        user_id: call.user_id,
        trigger_type: TriggerType::Event,
        trigger_data: trace::with(joined(cause, inherited), call.trace),
        input: call.inputs,
        steps_total: workflow.plan.steps_total(),
        timeout_ms: workflow.plan.settings().timeout_ms,
        parent: Some((call.parent, child_path(&call.path, call.attempt))),
        depth: call.depth + 1,
    };
    insert(core, child).await?;
    Ok(answer)
}

/// What started an execution, with what it takes over from the one that did.
pub(crate) fn joined(mut trigger_data: Value, inherited: Map<String, Value>) -> Value {
    if let Some(members) = trigger_data.as_object_mut() {
        members.extend(inherited);
    }
    trigger_data
}

/// Accepts an execution; one that stands already is as good.
pub(crate) async fn insert(core: &Arc<Core>, child: NewExecution) -> Result<(), StepError> {
    let child = Arc::new([child]);
    let inserted = core.call_again("execution.insert", || {
        let (queue, child) = (Arc::clone(&core.ports.queue), Arc::clone(&child));
        async move { queue.insert(child.as_slice(), None).await }
    });
    match inserted.await {
        Ok(_) | Err(RepositoryError::AlreadyExists { .. }) => Ok(()),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "a child execution was refused");
            Err(StepError::permanent("child_refused", format!("the execution could not be accepted: {error}")))
        }
    }
}

/// Finds the workflow that an agent names, for the owner of the agent.
async fn resolve(core: &Arc<Core>, agent: &Agent) -> Result<WorkflowId, StepError> {
    let Some(named) = agent.config.get("workflow").and_then(Value::as_str) else {
        let message = format!("agent {} names no workflow: set `config.workflow`", agent.name);
        return Err(StepError::permanent("invalid_config", message));
    };
    let found = find_workflow(core, agent.user_id, named).await?;
    found.ok_or_else(|| {
        let message = format!("agent {} names workflow `{named}`, of which there is no active version", agent.name);
        StepError::permanent("workflow_not_found", message)
    })
}

/// The workflow of this id, or the active version of this name, if it can be run for this user.
pub(crate) async fn find_workflow(
    core: &Arc<Core>,
    owner: UserId,
    named: &str,
) -> Result<Option<WorkflowId>, StepError> {
    let found = core.call_again("workflow.find", || {
        let (queries, named) = (Arc::clone(&core.ports.queries), named.to_owned());
        async move {
            match named.parse::<WorkflowId>() {
                Ok(id) => queries.workflows().get(id).await.map(Some),
                Err(_) => queries.workflows().find_active(owner, &named).await,
            }
        }
    });
    let is_runnable = |workflow: &Workflow| workflow.status == WorkflowStatus::Active && workflow.is_usable_by(owner);
    match found.await {
        Ok(found) => Ok(found.filter(is_runnable).map(|workflow| workflow.id)),
        Err(RepositoryError::NotFound { .. }) => Ok(None),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "a workflow cannot be read");
            Err(StepError::permanent("workflow_unreadable", format!("workflow `{named}` cannot be read: {error}")))
        }
    }
}

/// Asks for all children of an execution to be cancelled that have not ended: their answers are not wanted any more.
pub(crate) async fn cancel_all(core: &Arc<Core>, parent: ExecutionId) {
    let filter = ExecutionFilter { parent: Some(parent), ..ExecutionFilter::default() };
    let mut page = PageRequest { limit: 200, after: None };
    loop {
        let listed = core.call_again("execution.list", || {
            let (queries, filter) = (Arc::clone(&core.ports.queries), filter.clone());
            async move { queries.executions().list(&filter, page).await }
        });
        let found = match listed.await {
            Ok(found) => found,
            Err(error) => {
                let error = Chain(&error);
                tracing::error!(execution.id = %parent, %error, "the children of an execution could not be cancelled");
                return;
            }
        };
        let is_left = |child: &&Execution| {
            !child.status.is_terminal() && !child.cancel_requested && !is_detached(&child.trigger_data)
        };
        for child in found.items.iter().filter(is_left) {
            cancel(core, child.id).await;
        }
        page.after = found.next;
        if page.after.is_none() {
            return;
        }
    }
}

/// Asks for the child of an attempt to be cancelled: its answer is not wanted any more.
pub(crate) async fn cancel(core: &Arc<Core>, child: ExecutionId) {
    if is_planted(Bug::ChildrenLeft) {
        return;
    }
    let asked = core.call_again("execution.cancel", || {
        let queue = Arc::clone(&core.ports.queue);
        async move { queue.request_cancel(child).await }
    });
    match asked.await {
        Ok(RequestOutcome::Requested) => {
            if let Some(life) = core.life() {
                life.wake();
            }
        }
        Ok(RequestOutcome::Ended | RequestOutcome::Unknown) => {}
        Err(error) => {
            tracing::error!(execution.id = %child, error = %Chain(&error), "a child execution could not be cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_child_is_stable_lies_near_its_parent_and_differs_by_path_and_attempt() {
        let parent = ExecutionId::from_uuid(Uuid::from_u128(0x0192_1234_5678_7000_8000_0000_0000_0001));
        let child = child_id(parent, "a", 1);

        assert_eq!(child, child_id(parent, "a", 1));
        assert_ne!(child, child_id(parent, "a", 2));
        assert_ne!(child, child_id(parent, "b", 1));
        assert_eq!(child.as_uuid().get_version_num(), 7);
        assert_eq!(child.as_uuid().as_bytes()[..6], parent.as_uuid().as_bytes()[..6]);
    }
}
