//! The steps of workflows: written and read with the workflow that they belong to.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use turbocat_domain::{
    id::{AgentId, WorkflowId, WorkflowStepId},
    port::{RepositoryError, Result},
    workflow_step::WorkflowStep,
};

use crate::{
    convert::{Read, fit, words},
    entity::workflow_step::{Column, Entity, Model},
    error::ErrorContext,
};

const ENTITY: &str = "workflow_step";

/// Inserts the steps of a workflow.
pub(super) async fn insert_all(
    conn: &impl ConnectionTrait,
    workflow: WorkflowId,
    steps: &[WorkflowStep],
) -> Result<()> {
    if steps.iter().any(|step| step.workflow_id != workflow) {
        return Err(RepositoryError::BrokenReference { entity: ENTITY });
    }
    super::insert::<Entity, _>(conn, ENTITY, steps).await
}

/// Puts steps in the place of those that a workflow has.
pub(super) async fn replace(conn: &impl ConnectionTrait, workflow: WorkflowId, steps: &[WorkflowStep]) -> Result<()> {
    let present = Entity::delete_many().filter(Column::WorkflowId.eq(workflow.as_uuid()));
    present.exec(conn).await.about(ENTITY)?;
    insert_all(conn, workflow, steps).await
}

/// The steps of a workflow, in their order.
pub(super) async fn list(conn: &impl ConnectionTrait, workflow: WorkflowId) -> Result<Vec<WorkflowStep>> {
    let query = Entity::find()
        .filter(Column::WorkflowId.eq(workflow.as_uuid()))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Id);
    query.all(conn).await.about(ENTITY)?.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<&WorkflowStep> for Model {
    type Error = RepositoryError;

    fn try_from(step: &WorkflowStep) -> Result<Self> {
        Ok(Self {
            id: step.id.as_uuid(),
            workflow_id: step.workflow_id.as_uuid(),
            agent_id: step.agent_id.map(AgentId::as_uuid),
            step_key: step.step_key.to_string(),
            step_name: step.step_name.to_string(),
            step_type: step.step_type.to_string(),
            position: fit(step.position)?,
            config: step.config.clone(),
            inputs: step.inputs.clone(),
            outputs: step.outputs.clone(),
            depends_on: words(&step.depends_on),
            retry_count: fit(step.retry_count)?,
            retry_delay_ms: fit(step.retry_delay_ms)?,
            timeout_ms: fit(step.timeout_ms)?,
            on_error: step.on_error.to_string(),
            created_at: step.created_at.naive_utc(),
            updated_at: step.updated_at.naive_utc(),
        })
    }
}

impl TryFrom<Model> for WorkflowStep {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: WorkflowStepId::from_uuid(row.id),
            workflow_id: WorkflowId::from_uuid(row.workflow_id),
            agent_id: row.agent_id.map(AgentId::from_uuid),
            step_key: read.text(row.step_key)?,
            step_name: read.text(row.step_name)?,
            step_type: read.text(row.step_type)?,
            position: read.number(row.position)?,
            config: row.config,
            inputs: row.inputs,
            outputs: row.outputs,
            depends_on: read.texts(row.depends_on)?,
            retry_count: read.number(row.retry_count)?,
            retry_delay_ms: read.number(row.retry_delay_ms)?,
            timeout_ms: read.number(row.timeout_ms)?,
            on_error: read.text(row.on_error)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
        })
    }
}
