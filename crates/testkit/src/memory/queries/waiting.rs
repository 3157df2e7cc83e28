//! Reads what waits: for people to decide, and for its time.

use async_trait::async_trait;
use turbocat_domain::{
    approval::WaitingApproval,
    id::{ExecutionId, UserId, WorkflowId},
    port::{
        ApprovalFilter, ApprovalQueries, Cursor, Page, PageRequest, Result, ScheduleQueries, StoredSchedule,
        StoredTick, WaitRecord,
    },
    run::AwaitedEvent,
    step_run::StepOutcome,
};

use super::super::{MemoryStore, State, page};

#[async_trait]
impl ApprovalQueries for MemoryStore {
    async fn list(&self, filter: &ApprovalFilter, page: PageRequest) -> Result<Page<WaitingApproval>> {
        let state = self.state();
        let waiting = state.engine.waits.iter().filter_map(|(id, waits)| {
            let mut found: Vec<_> = waits.iter().filter_map(|wait| state.approval(*id, wait)).collect();
            found.retain(|approval| {
                approval.concerns(filter.user, &filter.email)
                    && filter.execution.is_none_or(|id| approval.execution_id == id)
                    && filter.path.as_ref().is_none_or(|path| approval.path == *path)
            });
            found.sort_by(|a, b| a.path.cmp(&b.path));
            Some(found).filter(|found| !found.is_empty())
        });
        // What belongs together lies in one item, so that the limit counts executions.
        let cursor = |of_one: &Vec<WaitingApproval>| {
            let first = of_one.first();
            let created_at = first.map_or_else(|| self.now(), |approval| approval.created_at);
            Cursor { created_at, id: first.map_or_else(uuid::Uuid::nil, |approval| approval.execution_id.as_uuid()) }
        };
        let found = page::newest_first(waiting, cursor, page);
        Ok(Page { items: found.items.into_iter().flatten().collect(), next: found.next })
    }
}

#[async_trait]
impl ScheduleQueries for MemoryStore {
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<StoredSchedule>> {
        let tables = self.tables();
        let listed = tables
            .schedules
            .iter()
            .filter(|((owner, _), row)| row.ended_at.is_none() && user.is_none_or(|user| user == *owner));
        let listed = listed.filter_map(|((_, name), row)| {
            Some(StoredSchedule {
                workflow_id: row.workflow_id,
                created_at: tables.workflows.get(row.workflow_id)?.created_at,
                user_id: row.user_id,
                name: name.clone(),
                schedule: row.workflow.schedule.clone(),
                state: row.state,
                due_at: row.due_at(),
                last_execution: row.last_execution,
            })
        });
        let cursor = |row: &StoredSchedule| Cursor { created_at: row.created_at, id: row.workflow_id.as_uuid() };
        Ok(page::newest_first(listed, cursor, page))
    }

    async fn ticks(&self, workflow: WorkflowId, limit: u16) -> Result<Vec<StoredTick>> {
        let ticks = self.ticks(workflow).into_iter().rev().take(limit.into());
        let ticks = ticks.map(|(scheduled_for, row)| StoredTick {
            scheduled_for,
            verdict: row.verdict,
            execution: row.execution,
        });
        Ok(ticks.collect())
    }
}

impl State {
    /// The decision that a wait is for, if it is for one and stands open.
    fn approval(&self, id: ExecutionId, wait: &WaitRecord) -> Option<WaitingApproval> {
        let execution = &self.engine.executions.get(&id)?.execution;
        if wait.event_name != AwaitedEvent::APPROVAL || execution.status.is_terminal() {
            return None;
        }
        let has_ended = |path: &str| {
            let records = self.engine.records(id);
            records.iter().any(|record| record.path == path && record.outcome != StepOutcome::Running)
        };
        if has_ended(&wait.path) {
            return None;
        }
        let key = wait.path.rsplit('.').next()?;
        let steps = self.tables.steps.get(&execution.workflow_id)?;
        let step = steps.iter().find(|step| step.step_key.as_str() == key)?;
        let events = self.engine.events.get(AwaitedEvent::APPROVAL).into_iter().flatten();
        let target = (id, wait.path.clone());
        let decisions = events
            .filter(|event| event.user_id == execution.user_id && event.received_at >= wait.since)
            .filter(|event| event.target.as_ref() == Some(&target))
            .map(|event| event.payload.clone());
        Some(WaitingApproval {
            execution_id: id,
            created_at: execution.created_at,
            workflow_id: execution.workflow_id,
            workflow_name: self.tables.workflows.get(execution.workflow_id)?.name.to_string(),
            user_id: execution.user_id,
            path: wait.path.clone(),
            since: wait.since,
            rules: step.config.get("approval")?.clone(),
            decisions: decisions.collect(),
        })
    }
}
