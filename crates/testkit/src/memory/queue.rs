//! The queue of executions.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use turbocat_domain::{
    execution::{Execution, ExecutionStatus, Pause, is_detached},
    id::{ExecutionId, WorkerId},
    port::{
        ClaimRequest, ClaimedExecution, EndedChild, ExecutionMail, ExecutionQueue, NewExecution, NextDue,
        RepositoryError, RequestOutcome, Result,
    },
    step_run::StepError,
};

use super::{
    MemoryStore, State,
    engine::{Engine, ExecutionRow},
    schedule::ScheduleRow,
};

const ENTITY: &str = "execution";

#[async_trait]
impl ExecutionQueue for MemoryStore {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        let (now, mut state) = (self.now(), self.state());
        let missing = state.missing(executions)?;
        let owner = owner.filter(|worker| state.engine.is_alive(*worker));
        let born_to = owner.filter(|_| missing.len() == executions.len());
        state.engine.accept(missing, born_to, now);
        let standing = executions.iter().filter_map(|new| state.engine.executions.get(&new.id));
        let inserted_at = standing.map(|row| row.execution.created_at).min().unwrap_or(now);
        let are_owned =
            owner.is_some_and(|owner| executions.iter().all(|new| state.engine.owned_by(new.id, owner).is_some()));
        Ok((inserted_at, are_owned))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        let (now, mut state) = (self.now(), self.state());
        if !state.engine.is_alive(request.worker) {
            return Ok(Vec::new());
        }
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let due: Vec<ExecutionId> =
            state.engine.claimable.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect();
        Ok(due.into_iter().filter_map(|id| state.engine.give(id, request.worker, now)).collect())
    }

    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        let (now, mut state) = (self.now(), self.state());
        let known: BTreeSet<ExecutionId> = known.iter().copied().collect();
        let owned = state.engine.owned.get(&worker).cloned().unwrap_or_default();
        let unknown: Vec<ExecutionId> = owned.difference(&known).copied().collect();
        for id in &unknown {
            state.engine.free(*id, now);
        }
        Ok(u64::try_from(unknown.len()).unwrap_or(u64::MAX))
    }

    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        let mut state = self.state();
        let with_mail = state.engine.mail.get(&worker).cloned().unwrap_or_default();
        Ok(with_mail.into_iter().filter_map(|id| state.engine.empty_mailbox(id, worker)).collect())
    }

    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        let state = self.state();
        let parents: BTreeSet<ExecutionId> = parents.iter().copied().collect();
        Ok(parents.into_iter().flat_map(|parent| state.engine.ended_children(parent)).collect())
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        let now = self.now();
        Ok(self.state().request(id, &Request::Cancel, now))
    }

    async fn next_due(&self) -> Result<NextDue> {
        let state = self.state();
        Ok(NextDue {
            execution: state.engine.claimable.first().map(|(at, _)| *at),
            schedule: state.tables.schedules.values().filter_map(ScheduleRow::due_at).min(),
        })
    }
}

/// What is asked of an execution.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Cancel,
    /// For this reason.
    Pause(Option<String>),
    Resume,
}

impl State {
    /// What a request would be answered, without making it.
    pub(super) fn request_outcome(&self, id: ExecutionId) -> RequestOutcome {
        match self.engine.executions.get(&id) {
            None => RequestOutcome::Unknown,
            Some(row) if row.execution.status.is_terminal() => RequestOutcome::Ended,
            Some(_) => RequestOutcome::Requested,
        }
    }

    /// Asks something of an execution.
    pub(super) fn request(&mut self, id: ExecutionId, request: &Request, now: DateTime<Utc>) -> RequestOutcome {
        let outcome = self.request_outcome(id);
        if outcome == RequestOutcome::Requested {
            match request {
                Request::Cancel => self.engine.cancel(id, now),
                Request::Pause(reason) => self.engine.pause(id, reason.as_deref(), now),
                Request::Resume => self.engine.resume(id, now),
            }
        }
        outcome
    }

    /// The executions that are to be inserted: all that do not stand, by their ids or as children.
    pub(super) fn missing(&self, executions: &[NewExecution]) -> Result<Vec<NewExecution>> {
        let (mut ids, mut children) = (BTreeSet::new(), BTreeSet::new());
        let mut missing = Vec::with_capacity(executions.len());
        for new in executions {
            if let Some((parent, path)) = &new.parent {
                let stands = self.engine.children.get(parent).is_some_and(|paths| paths.contains_key(path));
                let has_ended = |row: &ExecutionRow| row.execution.status.is_terminal();
                let is_late = self.engine.executions.get(parent).is_some_and(has_ended);
                if stands || is_late || !children.insert((*parent, path.as_str())) {
                    continue;
                }
            }
            let stored = self.engine.executions.get(&new.id).map(|row| &row.execution);
            if stored.is_some_and(|stored| (stored.workflow_id, stored.user_id) == (new.workflow_id, new.user_id)) {
                continue;
            }
            if stored.is_some() || !ids.insert(new.id) {
                return Err(RepositoryError::AlreadyExists { entity: ENTITY });
            }
            if !self.tables.workflows.contains(new.workflow_id) || !self.tables.users.contains(new.user_id) {
                return Err(RepositoryError::BrokenReference { entity: ENTITY });
            }
            missing.push(new.clone());
        }
        Ok(missing)
    }
}

impl Engine {
    fn cancel(&mut self, id: ExecutionId, now: DateTime<Utc>) {
        let Some(row) = self.executions.get_mut(&id) else { return };
        row.execution.cancel_requested = true;
        row.execution.updated_at = now;
        self.wake(id, now);
    }

    fn pause(&mut self, id: ExecutionId, reason: Option<&str>, now: DateTime<Utc>) {
        let Some(row) = self.executions.get_mut(&id) else { return };
        let execution = &mut row.execution;
        execution.paused.get_or_insert_with(|| Pause { at: now, reason: reason.map(str::to_owned) });
        execution.updated_at = now;
        let rests_until = execution.deadline_at.filter(|_| row.owner().is_none() && !row.execution.cancel_requested);
        match rests_until {
            Some(deadline_at) => self.place(id, None, Some(deadline_at)),
            None => drop(self.wake(id, now)),
        }
    }

    fn resume(&mut self, id: ExecutionId, now: DateTime<Utc>) {
        let Some(row) = self.executions.get_mut(&id) else { return };
        if row.execution.paused.take().is_some() {
            row.execution.updated_at = now;
            self.wake(id, now);
        }
    }

    /// Takes executions in: running and owned, or pending and claimable.
    pub(super) fn accept(&mut self, executions: Vec<NewExecution>, owner: Option<WorkerId>, now: DateTime<Utc>) {
        for new in executions {
            let id = new.id;
            let mut row = ExecutionRow::pending(new, now);
            if owner.is_some() {
                row.begin(now);
            }
            self.insert(row);
            self.place(id, owner, if owner.is_none() { Some(now) } else { None });
        }
    }

    /// Gives a claimable execution to a worker.
    fn give(&mut self, id: ExecutionId, worker: WorkerId, now: DateTime<Utc>) -> Option<ClaimedExecution> {
        self.place(id, Some(worker), None);
        let records = self.records(id);
        let row = self.executions.get_mut(&id)?;
        let started_at = row.begin(now);
        let takeovers = row.takeovers;
        let execution = &row.execution;
        Some(ClaimedExecution {
            id,
            workflow_id: execution.workflow_id,
            user_id: execution.user_id,
            trigger_type: execution.trigger_type,
            trigger_data: execution.trigger_data.clone(),
            input: execution.input_data.clone(),
            started_at,
            deadline_at: execution.deadline_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
            cancel_requested: execution.cancel_requested,
            is_paused: execution.paused.is_some(),
            takeovers,
            depth: execution.depth,
            parent: execution.parent.clone(),
            records,
        })
    }

    fn empty_mailbox(&mut self, id: ExecutionId, worker: WorkerId) -> Option<ExecutionMail> {
        self.place(id, Some(worker), None);
        let execution = &self.executions.get(&id)?.execution;
        let is_paused = execution.paused.is_some();
        Some(ExecutionMail { id, cancel_requested: execution.cancel_requested, is_paused })
    }

    fn ended_children(&self, parent: ExecutionId) -> Vec<(ExecutionId, EndedChild)> {
        let children = self.children.get(&parent).into_iter().flatten();
        children
            .filter_map(|(path, id)| {
                let child = &self.executions.get(id)?.execution;
                let ended = EndedChild { id: *id, path: path.clone(), result: result_of(child) };
                (child.status.is_terminal() && !is_detached(&child.trigger_data)).then_some((parent, ended))
            })
            .collect()
    }
}

/// What the parent of an ended execution learns. Only the code and the message of an error are stored.
fn result_of(child: &Execution) -> std::result::Result<Value, StepError> {
    if child.status == ExecutionStatus::Completed {
        return Ok(child.output_data.clone());
    }
    let code = child.error_code.clone().unwrap_or_else(|| child.status.as_str().to_owned());
    let message = child.error_message.clone();
    Err(StepError::permanent(code, message.unwrap_or_else(|| format!("the execution ended as {}", child.status))))
}
