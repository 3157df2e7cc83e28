//! What the engine's ports write: executions, their journals and logs, workers, waits, events, metrics to fold.
//!
//! Each index answers one question of a port; [`Engine::place`] and [`Engine::wait_for`] alone change them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use turbocat_domain::{
    execution::{Execution, ExecutionStatus},
    execution_log::ExecutionLog,
    id::{AgentId, DeploymentId, EventId, ExecutionId, ExecutionLogId, UserId, WorkerId, WorkflowId},
    permit::PermitShare,
    port::{NewExecution, PartRecord, WaitRecord},
    step_run::{StepOutcome, StepRecord},
};

use super::usage::Usage;

/// A moment and what breaks the tie of two that share it.
pub(super) type At<T> = (DateTime<Utc>, T);

/// The journal of one execution: its attempts by path and number.
pub(super) type Journal = BTreeMap<(String, u16), StepRecord>;

/// An execution as it is stored.
pub(super) struct ExecutionRow {
    pub(super) execution: Execution,
    /// How often it was taken over without progress in between.
    pub(super) takeovers: u32,
    /// How many attempts had ended at the last takeover.
    pub(super) takeover_records: usize,
    worker: Option<WorkerId>,
    wake_at: Option<DateTime<Utc>>,
}

impl ExecutionRow {
    /// A pending execution, accepted now; nobody owns it and nothing wakes it yet. Its deadline counts from here,
    /// however long nobody claims it.
    pub(super) fn pending(new: NewExecution, now: DateTime<Utc>) -> Self {
        let deadline_at = later(now, milliseconds(new.timeout_ms));
        let execution = Execution { deadline_at: Some(deadline_at), ..Execution::new(new, now) };
        Self { execution, takeovers: 0, takeover_records: 0, worker: None, wake_at: None }
    }

    /// Begins it, unless it has begun before. Returns when it began.
    pub(super) fn begin(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.execution.status = ExecutionStatus::Running;
        self.execution.updated_at = now;
        *self.execution.started_at.get_or_insert(now)
    }

    /// Who owns it.
    pub(super) const fn owner(&self) -> Option<WorkerId> {
        self.worker
    }

    /// From when it is claimable; where it is owned, that it has mail.
    pub(super) const fn wake_at(&self) -> Option<DateTime<Utc>> {
        self.wake_at
    }
}

/// A worker as it is stored.
pub(super) struct WorkerRow {
    pub(super) lease_until: DateTime<Utc>,
    pub(super) dead_at: Option<DateTime<Utc>>,
    pub(super) session_ended: bool,
}

/// An event as it is stored.
pub(super) struct EventRow {
    pub(super) id: EventId,
    pub(super) payload: Value,
    pub(super) target: Option<(ExecutionId, String)>,
    pub(super) user_id: UserId,
    pub(super) received_at: DateTime<Utc>,
}

/// Whose metrics a fact belongs to.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Workflow(WorkflowId),
    Agent(AgentId),
    Deployment(DeploymentId),
}

/// A fact that the metrics do not tell yet.
pub(super) struct Delta {
    pub(super) target: Target,
    pub(super) succeeded: bool,
    pub(super) duration_ms: u64,
    pub(super) at: DateTime<Utc>,
}

/// The tables of the engine's ports.
#[derive(Default)]
pub(super) struct Engine {
    pub(super) executions: HashMap<ExecutionId, ExecutionRow>,
    pub(super) by_creation: BTreeSet<At<ExecutionId>>,
    pub(super) claimable: BTreeSet<At<ExecutionId>>,
    pub(super) owned: HashMap<WorkerId, BTreeSet<ExecutionId>>,
    pub(super) mail: HashMap<WorkerId, BTreeSet<ExecutionId>>,
    pub(super) children: HashMap<ExecutionId, BTreeMap<String, ExecutionId>>,
    pub(super) journals: HashMap<ExecutionId, Journal>,
    /// The parts of steps, in their order, whole.
    pub(super) parts: HashMap<ExecutionId, Vec<PartRecord>>,
    pub(super) logs: HashMap<ExecutionId, BTreeMap<At<ExecutionLogId>, ExecutionLog>>,
    pub(super) log_ids: BTreeSet<ExecutionLogId>,
    /// How many lines the store itself has written: what their ids are made from.
    pub(super) lines_written: u64,
    pub(super) workers: BTreeMap<WorkerId, WorkerRow>,
    pub(super) waits: HashMap<ExecutionId, Vec<WaitRecord>>,
    pub(super) waiting: HashMap<String, BTreeSet<ExecutionId>>,
    pub(super) events: HashMap<String, Vec<EventRow>>,
    pub(super) event_ids: BTreeSet<EventId>,
    pub(super) deltas: Vec<Delta>,
    /// What models used.
    pub(super) usage: Usage,
    /// What workers have of the permits of agents.
    pub(super) permits: BTreeMap<(AgentId, WorkerId), PermitShare>,
}

impl Engine {
    /// Puts a new execution in.
    pub(super) fn insert(&mut self, row: ExecutionRow) {
        let (id, parent) = (row.execution.id, row.execution.parent.clone());
        self.by_creation.insert((row.execution.created_at, id));
        if let Some((parent, path)) = parent {
            self.children.entry(parent).or_default().insert(path, id);
        }
        self.executions.insert(id, row);
    }

    /// Says who owns an execution and what wakes it: the one place that changes either.
    pub(super) fn place(&mut self, id: ExecutionId, worker: Option<WorkerId>, wake_at: Option<DateTime<Utc>>) {
        let Some(row) = self.executions.get_mut(&id) else { return };
        let before = (row.worker, row.wake_at);
        (row.worker, row.wake_at) = (worker, wake_at);
        match before {
            (None, Some(at)) => {
                self.claimable.remove(&(at, id));
            }
            (Some(owner), mail) => {
                remove_from(&mut self.owned, &owner, &id);
                if mail.is_some() {
                    remove_from(&mut self.mail, &owner, &id);
                }
            }
            (None, None) => {}
        }
        match (worker, wake_at) {
            (None, Some(at)) => {
                self.claimable.insert((at, id));
            }
            (Some(owner), mail) => {
                self.owned.entry(owner).or_default().insert(id);
                if mail.is_some() {
                    self.mail.entry(owner).or_default().insert(id);
                }
            }
            (None, None) => {}
        }
    }

    /// Makes an execution that has not ended claimable now, or tells its owner; earlier news stays. Returns whether
    /// there was one to wake.
    pub(super) fn wake(&mut self, id: ExecutionId, now: DateTime<Utc>) -> bool {
        let Some(row) = self.executions.get(&id).filter(|row| !row.execution.status.is_terminal()) else {
            return false;
        };
        let wake_at = row.wake_at.map_or(now, |at| at.min(now));
        self.place(id, row.worker, Some(wake_at));
        true
    }

    /// Takes an execution from its owner: it is claimable now, or since its mail came in.
    pub(super) fn free(&mut self, id: ExecutionId, now: DateTime<Utc>) {
        if let Some(row) = self.executions.get_mut(&id) {
            row.execution.updated_at = now;
            let wake_at = row.wake_at.map_or(now, |at| at.min(now));
            self.place(id, None, Some(wake_at));
        }
    }

    /// Says what an execution waits for, in place of what it waited for before.
    pub(super) fn wait_for(&mut self, id: ExecutionId, waits: Vec<WaitRecord>) {
        for wait in self.waits.remove(&id).unwrap_or_default() {
            remove_from(&mut self.waiting, wait.event_name.as_str(), &id);
        }
        for wait in &waits {
            self.waiting.entry(wait.event_name.clone()).or_default().insert(id);
        }
        if !waits.is_empty() {
            self.waits.insert(id, waits);
        }
    }

    /// Whether the worker is there and not marked dead.
    pub(super) fn is_alive(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|row| row.dead_at.is_none())
    }

    /// Notes that the worker's session is gone.
    pub(super) fn end_session(&mut self, worker: WorkerId) {
        if let Some(row) = self.workers.get_mut(&worker) {
            row.session_ended = true;
        }
    }

    /// Whose the execution is.
    pub(super) fn user_of(&self, id: ExecutionId) -> Option<UserId> {
        self.executions.get(&id).map(|row| row.execution.user_id)
    }

    /// The execution, if this worker owns it. One that has ended has no owner.
    pub(super) fn owned_by(&mut self, id: ExecutionId, worker: WorkerId) -> Option<&mut ExecutionRow> {
        self.executions.get_mut(&id).filter(|row| row.worker == Some(worker))
    }

    /// How many attempts of an execution have ended, and parts were recorded: its progress.
    pub(super) fn progress(&self, id: ExecutionId) -> usize {
        let attempts = self.journals.get(&id).into_iter().flat_map(Journal::values);
        let parts = self.parts.get(&id).map_or(0, Vec::len);
        attempts.filter(|record| record.outcome != StepOutcome::Running).count() + parts
    }

    /// What an execution has recorded, in the order of `seq`.
    pub(super) fn records(&self, id: ExecutionId) -> Vec<StepRecord> {
        let mut records: Vec<StepRecord> =
            self.journals.get(&id).map(|journal| journal.values().cloned().collect()).unwrap_or_default();
        records.sort_by_key(|record| record.seq);
        records
    }

    /// Deletes an execution with all that hangs on it.
    pub(super) fn delete(&mut self, id: ExecutionId) {
        self.place(id, None, None);
        self.wait_for(id, Vec::new());
        self.journals.remove(&id);
        self.parts.remove(&id);
        self.usage.delete(id);
        for (_, line) in self.logs.remove(&id).into_iter().flatten() {
            self.log_ids.remove(&line.id);
        }
        let Some(row) = self.executions.remove(&id) else { return };
        self.by_creation.remove(&(row.execution.created_at, id));
        if let Some((parent, path)) = row.execution.parent
            && let Some(siblings) = self.children.get_mut(&parent)
        {
            siblings.remove(&path);
            if siblings.is_empty() {
                self.children.remove(&parent);
            }
        }
    }
}

/// A span of time; the longest that there is for what is longer.
pub(super) fn milliseconds(ms: u64) -> TimeDelta {
    i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds).unwrap_or(TimeDelta::MAX)
}

/// A moment that lies so much later; the last that there is for what lies after it.
pub(super) fn later(moment: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    moment.checked_add_signed(span).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Takes an item out of a set, and the set out of the map when that was the last.
fn remove_from<K, Q, T>(sets: &mut HashMap<K, BTreeSet<T>>, key: &Q, item: &T)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
    T: Ord,
{
    if let Some(set) = sets.get_mut(key) {
        set.remove(item);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
