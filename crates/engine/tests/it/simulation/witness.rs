//! Who watches the store: at each call of an agent and at each commit, whether it follows from what is durable.
//!
//! The proof of a start is the recovery: a run that is rebuilt from what is stored at that moment must want this
//! attempt, with these inputs. What does not hold is noted, not thrown: a panic in a task of the engine would be taken
//! for the crash of an agent.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use turbocat_domain::{
    execution::{Execution, ExecutionStatus},
    id::{ExecutionId, WorkerId, WorkflowId},
    plan::Plan,
    port::{
        AgentCall, CommitOutcome, ExecutionQueries, FinishedExecution, JournalBatch, PartJournal, PartOutcome,
        StepPart, StepPlace,
    },
    run::{Command, Run, RunContext},
    step_run::{StepOutcome, StepRecord},
    usage::Charge,
};
use turbocat_testkit::memory::MemoryStore;

use super::tally::Tally;

/// The end that does not follow from what is recorded: too many takeovers without progress.
pub(crate) const POISON: &str = "poison";

/// Watches one store.
pub(crate) struct Witness {
    memory: MemoryStore,
    plans: BTreeMap<WorkflowId, Arc<Plan>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    called: BTreeSet<(ExecutionId, String, u16)>,
    ended: BTreeMap<ExecutionId, ExecutionStatus>,
    /// What stands under the key of each part of a step.
    parts: BTreeMap<(StepPlace, String), Value>,
    /// How often an execution was claimed with so many takeovers at most.
    takeovers: BTreeMap<ExecutionId, u32>,
    violations: Vec<String>,
    tally: Tally,
}

/// What of a batch is about executions of others, as it was before the commit.
pub(crate) struct Before {
    is_alive: bool,
    foreign: Vec<(Execution, Vec<StepRecord>)>,
}

/// A worker that is alive has heard of a pause after this time, whatever was down meanwhile.
pub(crate) const PAUSE_TAKES: TimeDelta = TimeDelta::seconds(40);

impl Witness {
    pub(crate) fn new(memory: MemoryStore, plans: BTreeMap<WorkflowId, Arc<Plan>>) -> Self {
        Self { memory, plans, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.seen().tally);
    }

    /// What happened so far.
    pub(crate) fn tally(&self) -> Tally {
        self.seen().tally
    }

    /// Notes what does not hold.
    pub(crate) fn accuse(&self, what: String) {
        self.seen().violations.push(what);
    }

    /// What did not hold so far.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    /// Executions that are known to have ended, and how.
    pub(crate) fn ended(&self) -> BTreeMap<ExecutionId, ExecutionStatus> {
        self.seen().ended.clone()
    }

    /// With how many takeovers an execution was claimed at most.
    pub(crate) fn takeovers(&self, id: ExecutionId) -> u32 {
        self.seen().takeovers.get(&id).copied().unwrap_or_default()
    }

    /// An execution was claimed.
    pub(crate) fn claimed(&self, id: ExecutionId, takeovers: u32) {
        let mut seen = self.seen();
        let most = seen.takeovers.entry(id).or_default();
        *most = takeovers.max(*most);
        if let Some(status) = seen.ended.get(&id).copied() {
            seen.violations.push(format!("{id} was claimed after its end as {status}"));
        }
    }

    /// An agent is called by a worker.
    pub(crate) async fn called(&self, worker: Option<WorkerId>, call: &AgentCall, now: DateTime<Utc>) {
        let id = call.execution_id;
        let is_new = self.seen().called.insert((id, call.path.clone(), call.attempt));
        self.count(|tally| {
            tally.calls += 1;
            tally.repeated_calls += u64::from(!is_new);
        });
        if self.memory.owner_of(id) != worker {
            if worker.is_some_and(|worker| self.memory.is_alive(worker)) {
                self.accuse(format!("{} of {id} was started by a worker that does not own it", call.path));
            }
            return self.count(|tally| tally.stale_calls += 1);
        }
        let execution = self.memory.get(id).await.unwrap();
        if let Some(pause) = execution.paused.filter(|pause| now - pause.at > PAUSE_TAKES) {
            return self.accuse(format!("{} of {id} began while it was paused: {pause:?}", call.path));
        }
        let records = self.memory.step_records(id).await.unwrap();
        let is_this = |record: &&StepRecord| (&record.path, record.attempt) == (&call.path, call.attempt);
        if let Some(again) = records.iter().filter(is_this).find(|record| record.outcome != StepOutcome::Running) {
            return self.accuse(format!("a committed attempt runs again: {again:?}"));
        }
        self.prove_start(call, &records, now).await;
    }

    /// An attempt goes on with a part of its step: the same that everybody did, now and before.
    pub(crate) fn goes_on_with(&self, call: &AgentCall, key: &str, data: &Value, is_found: bool) {
        let step = StepPlace { execution_id: call.execution_id, path: call.path.clone() };
        let mut seen = self.seen();
        seen.tally.parts += 1;
        seen.tally.parts_found += u64::from(is_found);
        let stands = seen.parts.entry((step.clone(), key.to_owned())).or_insert_with(|| data.clone()).clone();
        if stands != *data {
            seen.violations.push(format!("{key} of {step:?} was {stands}, and is {data}"));
        }
    }

    /// A part is recorded by a worker, which may do so only while it is alive and owns the execution.
    pub(crate) async fn record_part(
        &self,
        worker: WorkerId,
        step: &StepPlace,
        part: (&StepPart, Option<&Charge>),
    ) -> turbocat_domain::port::Result<PartOutcome> {
        let before = self.memory.parts(step).await?;
        let (is_alive, owner) = (self.memory.is_alive(worker), self.memory.owner_of(step.execution_id));
        let outcome = self.memory.record_part(worker, step, part).await?;
        let may = is_alive && owner == Some(worker);
        if may != matches!(outcome, PartOutcome::Stands(_)) {
            self.accuse(format!("a part of {step:?} by a worker of whom it is {may} that it may came to {outcome:?}"));
        }
        if !may && self.memory.parts(step).await? != before {
            self.accuse(format!("a worker changed the parts of {step:?}, which it does not own"));
        }
        self.count(|tally| tally.fenced_parts += u64::from(outcome == PartOutcome::Fenced));
        Ok(outcome)
    }

    /// Proves that what is durable wants this attempt.
    async fn prove_start(&self, call: &AgentCall, records: &[StepRecord], now: DateTime<Utc>) {
        let execution = self.execution(call.execution_id).await;
        let (_, commands) = self.recover(&execution, records);
        let start = commands.iter().find_map(|command| match command {
            Command::Start(start) if (&start.path, start.attempt) == (&call.path, call.attempt) => Some(start),
            _ => None,
        });
        let Some(start) = start else {
            let (path, attempt) = (&call.path, call.attempt);
            return self.accuse(format!("{path} ({attempt}) of {} does not follow from the journal", execution.id));
        };
        if start.due > now {
            self.accuse(format!("{} of {} started before {}", call.path, execution.id, start.due));
        }
        if start.inputs != call.inputs {
            let (path, wanted, given) = (&call.path, &start.inputs, &call.inputs);
            self.accuse(format!("{path} of {} was given {given}, and is to be given {wanted}", execution.id));
        }
        self.count(|tally| tally.proved_starts += 1);
    }

    async fn execution(&self, id: ExecutionId) -> Execution {
        ExecutionQueries::get(&self.memory, id).await.unwrap()
    }

    fn recover(&self, execution: &Execution, records: &[StepRecord]) -> (Run, Vec<Command>) {
        let context = RunContext {
            execution_id: execution.id,
            input: execution.input_data.clone(),
            trigger_type: execution.trigger_type,
            trigger_data: execution.trigger_data.clone(),
            started_at: execution.started_at.unwrap(),
        };
        Run::recover(Arc::clone(&self.plans[&execution.workflow_id]), Arc::new(context), records)
    }

    /// What a commit must not change.
    pub(crate) async fn before_commit(&self, worker: WorkerId, batch: &JournalBatch) -> Before {
        let is_alive = self.memory.is_alive(worker);
        let mut foreign = Vec::new();
        for id in executions_of(batch) {
            if self.memory.owner_of(id) != Some(worker) {
                foreign.push((self.execution(id).await, self.memory.step_records(id).await.unwrap()));
            }
        }
        Before { is_alive, foreign }
    }

    /// A commit was made: what it holds is true from now on.
    pub(crate) async fn committed(&self, batch: &JournalBatch, outcome: CommitOutcome, before: Before) {
        let now = turbocat_domain::port::Clock::now(self.memory.clock());
        if before.is_alive != (outcome == CommitOutcome::Committed) {
            self.accuse(format!("the commit of a worker that is alive: {} came to {outcome:?}", before.is_alive));
        }
        for (execution, records) in &before.foreign {
            let is_same = self.memory.step_records(execution.id).await.unwrap() == *records
                && self.execution(execution.id).await.status == execution.status;
            if !is_same {
                self.accuse(format!("a worker changed {}, which it does not own", execution.id));
            }
        }
        if outcome == CommitOutcome::Fenced {
            return self.count(|tally| tally.fenced_commits += 1);
        }
        self.count(|tally| {
            tally.commits += 1;
            tally.parked += batch.parked.len() as u64;
        });
        let is_own = |id: ExecutionId| before.foreign.iter().all(|(foreign, _)| foreign.id != id);
        self.check_records(batch.records.iter().filter(|record| is_own(record.execution_id)), now).await;
        for finished in batch.finished.iter().filter(|finished| is_own(finished.id)) {
            self.check_end(finished, now).await;
        }
    }

    /// What was recorded stands as it was recorded, and no timer was early.
    async fn check_records(&self, records: impl Iterator<Item = &StepRecord>, now: DateTime<Utc>) {
        let mut stored: BTreeMap<ExecutionId, Vec<StepRecord>> = BTreeMap::new();
        for record in records.filter(|record| record.outcome != StepOutcome::Running) {
            let id = record.execution_id;
            if let Entry::Vacant(unread) = stored.entry(id) {
                unread.insert(self.memory.step_records(id).await.unwrap());
            }
            // What a cancel ends is ended again by the next owner, if the end of the whole was not committed with it.
            let is_skipped = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Skipped(_));
            let is_same = |stored: &&StepRecord| (&stored.path, stored.attempt) == (&record.path, record.attempt);
            let stands = stored[&id]
                .iter()
                .filter(is_same)
                .any(|stored| stored == record || (is_skipped(&stored.outcome) && is_skipped(&record.outcome)));
            if !stands {
                self.accuse(format!("an attempt has two ends, of which this is the second: {record:?}"));
            }
            let StepOutcome::Completed(output) = &record.outcome else { continue };
            if let Some(fired_at) = output["fired_at"].as_str() {
                let fired_at = fired_at.parse::<DateTime<Utc>>().unwrap();
                if fired_at > now {
                    self.accuse(format!("a timer fired before its time: {record:?}"));
                }
                self.count(|tally| tally.timers += 1);
            }
        }
    }

    /// An execution ended for the first time, and what is recorded of it says so.
    async fn check_end(&self, finished: &FinishedExecution, now: DateTime<Utc>) {
        let id = finished.id;
        let execution = self.execution(id).await;
        let first = self.seen().ended.insert(id, execution.status);
        if first.is_some() || execution.status != finished.status {
            self.accuse(format!("{id} ended as {}, after {first:?}: {finished:?}", finished.status));
        }
        self.count(|tally| match finished.status {
            ExecutionStatus::Completed => tally.completed += 1,
            ExecutionStatus::Failed => tally.failed += 1,
            ExecutionStatus::Cancelled => tally.cancelled += 1,
            _ => tally.timed_out += 1,
        });
        if execution.error_code.as_deref() == Some(POISON) && execution.error_stack.is_none() {
            return self.count(|tally| tally.poisoned += 1);
        }
        if let Err(wrong) = self.prove_end(&execution, finished, now).await {
            self.accuse(format!("{id} ended as {}, but {wrong}", finished.status));
        }
    }

    async fn prove_end(
        &self,
        execution: &Execution,
        finished: &FinishedExecution,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let records = self.memory.step_records(execution.id).await.unwrap();
        if let Some(open) = records.iter().find(|record| record.outcome == StepOutcome::Running) {
            return Err(format!("this is shown as running: {open:?}"));
        }
        let (run, _) = self.recover(execution, &records);
        match finished.status {
            ExecutionStatus::Completed | ExecutionStatus::Failed => {
                let outcome = run.outcome().ok_or("what is recorded has not ended")?;
                let counts = (finished.steps_completed, finished.steps_failed);
                let is_same = (outcome.status, &outcome.output, &outcome.error)
                    == (finished.status, &finished.output, &finished.error)
                    && (outcome.steps_completed, outcome.steps_failed) == counts;
                if !is_same {
                    return Err(format!("what is recorded comes to {outcome:?}: {finished:?}"));
                }
                self.count(|tally| tally.proved_ends += 1);
                Ok(())
            }
            ExecutionStatus::Cancelled if !execution.cancel_requested => Err("nobody asked for that".to_owned()),
            ExecutionStatus::Timeout if execution.deadline_at.is_none_or(|deadline| deadline > now) => {
                Err(format!("its time is over at {:?}", execution.deadline_at))
            }
            _ => Ok(()),
        }
    }
}

fn executions_of(batch: &JournalBatch) -> BTreeSet<ExecutionId> {
    let records = batch.records.iter().map(|record| record.execution_id);
    let finished = batch.finished.iter().map(|finished| finished.id);
    records.chain(finished).chain(batch.parked.iter().map(|parked| parked.id)).collect()
}
