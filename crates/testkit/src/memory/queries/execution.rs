//! Reads executions, their journals and their logs.

use std::ops::Bound;

use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    execution::{Execution, deployment_of},
    execution_log::ExecutionLog,
    id::{ExecutionId, ExecutionLogId},
    port::{
        Cursor, ExecutionFilter, ExecutionQueries, LogFilter, Page, PageRequest, PartRecord, RepositoryError, Result,
        StepPart,
    },
    step_run::{StepOutcome, StepRecord},
};
use uuid::Uuid;

use super::{
    super::{MemoryStore, page},
    is_wanted,
};

const ENTITY: &str = "execution";

#[async_trait]
impl ExecutionQueries for MemoryStore {
    async fn get(&self, id: ExecutionId) -> Result<Execution> {
        let state = self.state();
        let row = state.engine.executions.get(&id);
        row.map(|row| row.execution.clone()).ok_or(RepositoryError::NotFound { entity: ENTITY })
    }

    async fn list(&self, filter: &ExecutionFilter, page: PageRequest) -> Result<Page<Execution>> {
        let state = self.state();
        let before = page
            .after
            .map_or(Bound::Unbounded, |end| Bound::Excluded((end.created_at, ExecutionId::from_uuid(end.id))));
        let newest_first = state.engine.by_creation.range((Bound::Unbounded, before)).rev();
        let found = newest_first
            .filter_map(|(_, id)| state.engine.executions.get(id))
            .map(|row| &row.execution)
            .filter(|execution| {
                is_wanted(filter.user.as_ref(), &execution.user_id)
                    && is_wanted(filter.workflow.as_ref(), &execution.workflow_id)
                    && is_wanted(filter.status.as_ref(), &execution.status)
                    && is_wanted(filter.trigger.as_ref(), &execution.trigger_type)
                    && filter.created_from.is_none_or(|from| execution.created_at >= from)
                    && filter.created_before.is_none_or(|before| execution.created_at < before)
                    && filter.deployment.is_none_or(|id| deployment_of(&execution.trigger_data) == Some(id))
                    && filter.parent.is_none_or(|id| execution.parent.as_ref().is_some_and(|(parent, _)| *parent == id))
            })
            .take(usize::from(page.limit) + 1)
            .map(without_payloads)
            .collect();
        let cursor = |execution: &Execution| Cursor { created_at: execution.created_at, id: execution.id.as_uuid() };
        Ok(page::finish(found, cursor, page))
    }

    async fn step_records(&self, id: ExecutionId) -> Result<Vec<StepRecord>> {
        Ok(self.state().engine.records(id))
    }

    async fn step_news(&self, id: ExecutionId, from_seq: u32, limit: u16) -> Result<Vec<StepRecord>> {
        let (running, ended): (Vec<_>, Vec<_>) =
            self.state().engine.records(id).into_iter().partition(|record| record.outcome == StepOutcome::Running);
        let ended = ended.into_iter().filter(|record| record.seq >= from_seq).take(usize::from(limit));
        Ok(ended.chain(running.into_iter().take(usize::from(limit))).map(without_output).collect())
    }

    async fn part_records(&self, id: ExecutionId, page: PageRequest) -> Result<Page<PartRecord>> {
        let state = self.state();
        let after = page.after.map_or(0, |cursor| u64::try_from(cursor.id.as_u128()).unwrap_or(u64::MAX));
        let mut behind = state.engine.parts.get(&id).into_iter().flatten().filter(|record| record.seq > after);
        let items: Vec<_> = behind.by_ref().take(usize::from(page.limit.clamp(1, 200))).map(summarised).collect();
        let next = items.last().filter(|_| behind.next().is_some());
        let next = next.map(|last| Cursor { created_at: last.recorded_at, id: Uuid::from_u128(u128::from(last.seq)) });
        Ok(Page { items, next })
    }

    async fn logs(&self, id: ExecutionId, filter: &LogFilter, page: PageRequest) -> Result<Page<ExecutionLog>> {
        let state = self.state();
        let after = page
            .after
            .map_or(Bound::Unbounded, |end| Bound::Excluded((end.created_at, ExecutionLogId::from_uuid(end.id))));
        let lines = state.engine.logs.get(&id).into_iter().flat_map(|lines| lines.range((after, Bound::Unbounded)));
        let found = lines
            .map(|(_, line)| line)
            .filter(|line| filter.min_level.is_none_or(|level| line.level >= level))
            .filter(|line| {
                filter.step_key.as_ref().is_none_or(|key| line.step_key.as_ref().is_some_and(|of| of.as_str() == key))
            })
            .take(usize::from(page.limit) + 1)
            .cloned()
            .collect();
        let cursor = |line: &ExecutionLog| Cursor { created_at: line.created_at, id: line.id.as_uuid() };
        Ok(page::finish(found, cursor, page))
    }
}

/// A part with the summary of its data alone.
fn summarised(record: &PartRecord) -> PartRecord {
    let members = record.part.data.as_object().into_iter().flatten();
    let summary = members.filter(|(name, _)| StepPart::SUMMARY.contains(&name.as_str()));
    let data = summary.map(|(name, value)| (name.clone(), value.clone())).collect();
    PartRecord { part: StepPart { data, ..record.part.clone() }, ..record.clone() }
}

/// A record without what its step has put out.
fn without_output(record: StepRecord) -> StepRecord {
    match record.outcome {
        StepOutcome::Completed(_) => StepRecord { outcome: StepOutcome::Completed(Value::Null), ..record },
        _ => record,
    }
}

/// An execution as a list shows it.
fn without_payloads(execution: &Execution) -> Execution {
    Execution { input_data: Value::Null, output_data: Value::Null, ..execution.clone() }
}
