//! Events, approvals and schedules.

use serde_json::Value;
use turbocat_application::SendEvent as Wanted;
use turbocat_client::{
    Approval, ApprovalQuery, Decided, Decision, PageQuery, RefusedStart, Schedule, SendEvent, SentEvent, Tick,
    TickQuery,
};
use turbocat_domain::{
    approval::Decision as Made,
    id::{ExecutionId, WorkflowId},
    port::PageRequest,
};

use super::{Desk, seen_all};

impl Desk {
    /// Sends an event to whoever waits for it.
    pub(crate) async fn send_event(&self, name: String, payload: Value) -> anyhow::Result<SentEvent> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => {
                return Ok(client.send_event(&SendEvent::named(name).with_payload(payload)).await?);
            }
        };
        let event = Wanted { name, payload, target: None, traceparent: None };
        let (sent, _) = office.app.use_cases.send_event((office.actor, None), event).await?;
        let refused = sent.refused.into_iter();
        Ok(SentEvent {
            id: sent.id,
            woken: sent.woken,
            started: sent.started,
            refused: refused.map(|one| RefusedStart { workflow: one.workflow, reason: one.reason }).collect(),
        })
    }

    /// The decisions that executions wait for.
    pub(crate) async fn approvals(&self, limit: u16) -> anyhow::Result<Vec<Approval>> {
        match self {
            Self::Database(office) => {
                let page = PageRequest { limit, after: None };
                seen_all(office.app.use_cases.approvals(office.actor, None, page).await?.items)
            }
            Self::Server(client) => {
                let query = ApprovalQuery { limit: Some(limit), ..ApprovalQuery::default() };
                Ok(client.approvals(&query).await?.items)
            }
        }
    }

    /// Decides what an execution waits for.
    pub(crate) async fn decide(&self, execution: ExecutionId, decision: Decision) -> anyhow::Result<Decided> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.decide(execution, &decision).await?),
        };
        let Decision { path, approved, comment, button, data } = decision;
        let made = Made { approved, comment, button, data };
        let id = office.app.use_cases.decide_approval(office.actor, (execution, path), made).await?;
        Ok(Decided { id })
    }

    /// The schedules of active workflows.
    pub(crate) async fn schedules(&self, limit: u16) -> anyhow::Result<Vec<Schedule>> {
        match self {
            Self::Database(office) => {
                let page = PageRequest { limit, after: None };
                seen_all(office.app.use_cases.schedules(office.actor, page).await?.items)
            }
            Self::Server(client) => Ok(client.schedules(&PageQuery { limit: Some(limit), after: None }).await?.items),
        }
    }

    /// What became of the last times of a schedule.
    pub(crate) async fn ticks(&self, workflow: WorkflowId, limit: u16) -> anyhow::Result<Vec<Tick>> {
        match self {
            Self::Database(office) => {
                seen_all(office.app.use_cases.schedule_ticks(office.actor, workflow, limit).await?)
            }
            Self::Server(client) => Ok(client.ticks(workflow, &TickQuery { limit: Some(limit) }).await?),
        }
    }
}
