//! The journal of an execution, as it is read.

use turbocat_domain::{
    execution_log::StepStatus,
    id::{AgentId, ExecutionId, WorkflowStepId},
    port::{RepositoryError, Result},
    step_run::{SkipReason, StepOutcome, StepRecord},
};

use crate::{
    convert::{Read, utc},
    entity::step_run::Model,
};

const READ: Read = Read("step_run");

impl TryFrom<Model> for StepRecord {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let outcome = match READ.text(&row.status)? {
            StepStatus::Running => StepOutcome::Running,
            StepStatus::Completed => StepOutcome::Completed(READ.required(row.output, "output")?),
            StepStatus::Failed => {
                let error = READ.required(row.error, "error")?;
                StepOutcome::Failed(serde_json::from_value(error).map_err(|error| READ.corrupt(error))?)
            }
            StepStatus::Skipped => {
                let reason = READ.required(row.reason, "reason")?;
                let known = SkipReason::parse(&reason);
                StepOutcome::Skipped(known.ok_or_else(|| READ.corrupt(format!("`{reason}` is not a reason")))?)
            }
            status @ StepStatus::Pending => return Err(READ.corrupt(format!("nothing is journalled as {status}"))),
        };
        Ok(Self {
            execution_id: ExecutionId::from_uuid(row.execution_id),
            path: row.path,
            attempt: READ.number(row.attempt)?,
            seq: READ.number(row.seq)?,
            outcome,
            started_at: row.started_at.and_utc(),
            ended_at: utc(row.ended_at),
            workflow_step_id: row.workflow_step_id.map(WorkflowStepId::from_uuid),
            agent_id: row.agent_id.map(AgentId::from_uuid),
        })
    }
}
