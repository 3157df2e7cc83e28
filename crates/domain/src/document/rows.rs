//! A document as rows: one a step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Document, Step, StepAction};
use crate::{
    id::{AgentId, WorkflowId, WorkflowStepId},
    value::StepKey,
    workflow_step::{NewWorkflowStep, WorkflowStep},
};

/// What the rows of a workflow's steps need to know besides the document.
#[derive(Debug, Clone, Copy)]
pub struct StepRows<'a> {
    /// The version that they belong to.
    pub workflow_id: WorkflowId,
    /// The agents, by what the document calls them.
    pub agents: &'a BTreeMap<String, AgentId>,
    /// When they are made.
    pub now: DateTime<Utc>,
}

impl Document {
    /// The rows of its steps, in document order.
    ///
    /// `config` holds what of a step has no column: its `config`, and its `join` and `guard` (in the document:
    /// `if`) if they are not as they are by default.
    pub fn to_steps(&self, rows: StepRows<'_>, mut ids: impl FnMut() -> WorkflowStepId) -> Vec<WorkflowStep> {
        let row = |(position, step): (u32, &Step)| row_of(step, position, ids(), rows);
        (0..).zip(&self.steps).map(row).collect()
    }
}

fn row_of(step: &Step, position: u32, id: WorkflowStepId, rows: StepRows<'_>) -> WorkflowStep {
    let new = NewWorkflowStep {
        id,
        workflow_id: rows.workflow_id,
        step_key: step.key.clone(),
        step_type: step.action.step_type(),
        position,
    };
    let mut row = WorkflowStep {
        step_name: step.name.clone(),
        config: config_of(step),
        outputs: step.outputs.clone().unwrap_or_else(|| json!({})),
        depends_on: step.depends_on.iter().map(StepKey::clone).collect(),
        on_error: step.on_error,
        ..WorkflowStep::new(new, rows.now)
    };
    if let StepAction::Agent(agent) = &step.action {
        row.agent_id = rows.agents.get(&agent.agent).copied();
        row.inputs = agent.inputs.clone();
        row.retry_count = agent.retry_count;
        row.retry_delay_ms = agent.retry_delay_ms;
        row.timeout_ms = agent.timeout_ms;
    }
    row
}

fn config_of(step: &Step) -> Value {
    let mut config = step.action.config();
    if let Value::Object(entries) = &mut config {
        if let Some(guard) = &step.guard {
            entries.insert("guard".to_owned(), json!(guard));
        }
        if step.join != crate::workflow_step::JoinRule::default() {
            entries.insert("join".to_owned(), json!(step.join));
        }
    }
    config
}
