//! The schedules: kept by the writes of workflows, and fired.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    execution::TriggerType,
    id::{ExecutionId, UserId, WorkerId, WorkflowId},
    port::{
        DueRequest, DueSchedule, DueSchedules, FireOutcome, Fired, FiredTick, Firing, NewExecution, Result,
        ScheduleRepository, ScheduledExecution,
    },
    schedule::{ScheduleState, Verdict, WorkflowSchedule},
    workflow::Workflow,
};

use super::{
    MemoryStore, State,
    engine::{At, ExecutionRow, later},
    tables::Tables,
};

/// A schedule as it is stored, under its owner and the name of its workflow.
#[derive(Clone)]
pub(super) struct ScheduleRow {
    pub(super) workflow_id: WorkflowId,
    pub(super) user_id: UserId,
    pub(super) workflow: WorkflowSchedule,
    pub(super) state: ScheduleState,
    pub(super) jitter_ms: u32,
    pub(super) released_at: Option<DateTime<Utc>>,
    pub(super) last_execution: Option<ExecutionId>,
    pub(super) ended_at: Option<DateTime<Utc>>,
}

/// What became of a tick.
#[derive(Clone, Copy)]
pub(super) struct TickRow {
    pub(super) verdict: Verdict,
    pub(super) execution: Option<ExecutionId>,
}

impl ScheduleRow {
    /// When it is looked at next.
    pub(super) fn due_at(&self) -> Option<DateTime<Utc>> {
        let jitter = TimeDelta::milliseconds(i64::from(self.jitter_ms));
        let ticks_at = self.state.next_at.map(|tick| later(tick, jitter));
        self.released_at.into_iter().chain(ticks_at).min().filter(|_| self.ended_at.is_none())
    }
}

impl Tables {
    /// Ends the schedule of a workflow, if it has one.
    pub(super) fn end_schedule(&mut self, id: WorkflowId, now: DateTime<Utc>) {
        if let Some(row) = self.live_schedule(id) {
            row.ended_at = Some(now);
        }
    }

    /// Begins the schedule of a workflow, if it is to have one; it goes on where one stood that has just ended.
    pub(super) fn begin_schedule(&mut self, id: WorkflowId, now: DateTime<Utc>) {
        let Some(workflow) = self.workflows.get(id).cloned() else { return };
        let Some(new) = WorkflowSchedule::of(&workflow) else { return };
        let key = (workflow.user_id, workflow.name.to_string());
        let schedules = Arc::make_mut(&mut self.schedules);
        schedules.retain(|standing, row| *standing == key || row.workflow_id != id);
        let before = schedules.get(&key).cloned();
        let just_ended = before.as_ref().filter(|row| row.ended_at == Some(now));
        let state = new.schedule.begin(just_ended.map(|row| (&row.workflow.schedule, row.state)), now);
        let row = ScheduleRow {
            workflow_id: id,
            user_id: workflow.user_id,
            jitter_ms: state.next_at.map_or(0, |tick| new.schedule.jitter_ms(id, tick)),
            workflow: new,
            released_at: state.queued_for.map(|_| now),
            state,
            last_execution: before.as_ref().and_then(|row| row.last_execution),
            ended_at: None,
        };
        schedules.insert(key, row);
        if let Some(before) = before.filter(|before| before.workflow_id != id) {
            self.take_ticks_along(before.workflow_id, id);
        }
    }

    fn take_ticks_along(&mut self, from: WorkflowId, to: WorkflowId) {
        let ticks = Arc::make_mut(&mut self.ticks);
        let moved: Vec<_> = ticks.extract_if(.., |(id, _), _| *id == from).collect();
        ticks.extend(moved.into_iter().map(|((_, at), row)| ((to, at), row)));
    }

    /// The schedule that a workflow has, unless it has ended.
    pub(super) fn live_schedule(&mut self, id: WorkflowId) -> Option<&mut ScheduleRow> {
        let Workflow { user_id, name, .. } = self.workflows.get(id)?;
        let row = Arc::make_mut(&mut self.schedules).get_mut(&(*user_id, name.to_string()))?;
        (row.workflow_id == id && row.ended_at.is_none()).then_some(row)
    }
}

#[async_trait]
impl ScheduleRepository for MemoryStore {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        let (now, state) = (self.now(), self.state());
        let (slices, slice) = request.slice;
        let of_slice = |row: &ScheduleRow| row.workflow_id.as_uuid().as_u128() % u128::from(slices) == slice.into();
        let rows = state.tables.schedules.values().filter_map(|row| Some((row.due_at()?, row)));
        let (due, ahead): (Vec<_>, Vec<_>) = rows.partition(|(at, _)| *at <= now);
        let mut due: Vec<_> = due.into_iter().filter(|(_, row)| of_slice(row)).collect();
        due.sort_by_key(|(at, row)| (*at, row.workflow_id));
        due.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
        let schedules = due.into_iter().map(|(_, row)| DueSchedule {
            workflow_id: row.workflow_id,
            user_id: row.user_id,
            workflow: row.workflow.clone(),
            state: row.state,
            is_busy: row.last_execution.is_some_and(|id| state.is_open(id)),
        });
        Ok(DueSchedules { now, schedules: schedules.collect(), next_at: ahead.into_iter().map(|(at, _)| at).min() })
    }

    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        let (now, mut state) = (self.now(), self.state());
        if !state.engine.is_alive(worker) {
            return Ok(FireOutcome::Fenced);
        }
        let mut fired = Fired { at: now, schedules: 0, executions: Vec::new() };
        for firing in firings {
            if let Some(row) = state.move_on(firing, now) {
                fired.schedules += 1;
                fired.executions.extend(state.start(&row, (firing, worker), now));
            }
        }
        // Units of work see what changed.
        state.commits += 1;
        Ok(FireOutcome::Fired(fired))
    }
}

impl State {
    /// Makes the schedules due that wait for an execution that has ended.
    pub(super) fn release_schedules(&mut self, ended: ExecutionId, now: DateTime<Utc>) {
        let waits = |row: &ScheduleRow| row.last_execution == Some(ended) && row.state.queued_for.is_some();
        if self.is_open(ended) || !self.tables.schedules.values().any(waits) {
            return;
        }
        let schedules = Arc::make_mut(&mut self.tables.schedules);
        schedules.values_mut().filter(|row| waits(row)).for_each(|row| row.released_at = Some(now));
        self.commits += 1;
    }

    fn is_open(&self, id: ExecutionId) -> bool {
        self.engine.executions.get(&id).is_some_and(|row| !row.execution.status.is_terminal())
    }

    /// Moves a schedule on, if it stands where it is expected. Returns it.
    fn move_on(&mut self, firing: &Firing, now: DateTime<Utc>) -> Option<ScheduleRow> {
        let row = self.tables.live_schedule(firing.workflow_id).filter(|row| row.state == firing.before)?.clone();
        let last = firing.ticks.iter().filter_map(|tick| tick.execution.as_ref()).next_back();
        let waits_for_nothing = firing.after.queued_for.is_some()
            && last.is_none()
            && row.last_execution.is_some_and(|last| !self.is_open(last));
        let row = ScheduleRow {
            state: firing.after,
            jitter_ms: firing.jitter_ms,
            released_at: waits_for_nothing.then_some(now),
            last_execution: last.map(|execution| execution.id).or(row.last_execution),
            ..row
        };
        if let Some(stored) = self.tables.live_schedule(firing.workflow_id) {
            stored.clone_from(&row);
        }
        Some(row)
    }

    /// Records the ticks that are not recorded yet, and starts what they start.
    fn start(&mut self, row: &ScheduleRow, by: (&Firing, WorkerId), now: DateTime<Utc>) -> Vec<ExecutionId> {
        let (firing, worker) = by;
        let mut started = Vec::new();
        for FiredTick { scheduled_for, verdict, execution } in &firing.ticks {
            let ticks = Arc::make_mut(&mut self.tables.ticks);
            let key: (WorkflowId, DateTime<Utc>) = (row.workflow_id, *scheduled_for);
            if ticks.contains_key(&key) {
                continue;
            }
            ticks.insert(key, TickRow { verdict: *verdict, execution: execution.as_ref().map(|new| new.id) });
            if let Some(new) = execution {
                self.insert_scheduled(row, (new, worker), now);
                started.push(new.id);
            }
        }
        started
    }

    fn insert_scheduled(&mut self, row: &ScheduleRow, by: (&ScheduledExecution, WorkerId), now: DateTime<Utc>) {
        let (new, worker) = by;
        let execution = NewExecution {
            id: new.id,
            workflow_id: row.workflow_id,
            user_id: row.user_id,
            trigger_type: TriggerType::Scheduled,
            trigger_data: new.trigger_data.clone(),
            input: serde_json::json!({}),
            steps_total: row.workflow.steps_total,
            timeout_ms: row.workflow.timeout_ms,
            parent: None,
            depth: 0,
        };
        let mut inserted = ExecutionRow::pending(execution, now);
        if new.is_owned {
            inserted.begin(now);
        }
        self.engine.insert(inserted);
        let (owner, wake_at) = if new.is_owned { (Some(worker), None) } else { (None, Some(now)) };
        self.engine.place(new.id, owner, wake_at);
    }
}

impl MemoryStore {
    /// What became of the ticks of a workflow, in their order.
    pub(super) fn ticks(&self, id: WorkflowId) -> Vec<At<TickRow>> {
        let state = self.state();
        let ticks = state.tables.ticks.iter().filter(|((workflow, _), _)| *workflow == id);
        ticks.map(|((_, at), row)| (*at, *row)).collect()
    }

    /// Lets the next tick of a workflow's schedule be this one.
    pub(super) fn set_next_tick(&self, id: WorkflowId, tick: DateTime<Utc>) {
        let mut state = self.state();
        if let Some(row) = state.tables.live_schedule(id) {
            (row.state.next_at, row.jitter_ms) = (Some(tick), 0);
        }
        state.commits += 1;
    }
}
