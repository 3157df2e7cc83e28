//! How executions come into memory: their plan is found, their run is started or recovered.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use turbocat_domain::{
    execution::ExecutionStatus,
    id::{ExecutionId, WorkflowId},
    plan::Plan,
    port::{ClaimedExecution, FinishedExecution},
    run::{Command, Event, Run, RunContext},
    step_run::{StepError, StepOutcome, StepRecord},
};

use super::{
    Shard, SlotKey,
    commit::{Entry, Fact},
    message::Message,
    slot::{Active, Child, Slot},
    timers::Timer,
};
use crate::{
    children::child_id,
    plans::{self, LoadedWorkflow},
};

impl Shard {
    /// Takes an execution in that this worker owns now.
    pub(super) fn adopt(&mut self, mut claimed: Box<ClaimedExecution>) {
        if self.draining {
            // It is handed back with all the others.
            return self.life.release(1);
        }
        if let Some(key) = self.index.get(&claimed.id).copied() {
            tracing::error!(execution.id = %claimed.id, "an execution that is held was claimed again");
            self.remove_slot(key);
        }
        claimed.cancel_requested |= self.cancelled_early.remove(&claimed.id);
        if claimed.takeovers > self.life.core.options.takeovers_max {
            let message = format!(
                "the execution was taken over from dead workers {} times without any progress in between",
                claimed.takeovers
            );
            return self.refuse(&claimed, StepError::permanent("poison", message));
        }
        match self.life.core.plans.find(claimed.workflow_id) {
            Some(workflow) => self.admit(&claimed, &workflow.plan),
            None => self.await_workflow(*claimed),
        }
    }

    fn await_workflow(&mut self, claimed: ClaimedExecution) {
        let id = claimed.workflow_id;
        let waiting = self.arrivals.entry(id).or_default();
        waiting.push(claimed);
        if waiting.len() == 1 {
            let life = Arc::clone(&self.life);
            self.life.core.tasks.spawn(async move {
                let loaded = tokio::select! {
                    () = life.lease.ended.cancelled() => return,
                    loaded = plans::load(&life.core, id) => loaded,
                };
                // A closed inbox means that this life is over.
                let _closed = life.shard.send(Message::WorkflowLoaded(id, loaded));
            });
        }
    }

    pub(super) fn workflow_loaded(&mut self, id: WorkflowId, result: &Result<Arc<LoadedWorkflow>, StepError>) {
        for claimed in self.arrivals.remove(&id).unwrap_or_default() {
            match result {
                _ if self.draining => self.life.release(1),
                Ok(workflow) => self.admit(&claimed, &workflow.plan),
                Err(error) => self.refuse(&claimed, error.clone()),
            }
        }
    }

    /// Ends an execution that cannot be run here or anywhere.
    fn refuse(&mut self, claimed: &ClaimedExecution, error: StepError) {
        tracing::error!(execution.id = %claimed.id, %error, "the execution cannot be run");
        let (steps_completed, steps_failed) = count_steps(&claimed.records);
        let finished = FinishedExecution {
            id: claimed.id,
            workflow_id: claimed.workflow_id,
            status: ExecutionStatus::Failed,
            output: Value::Null,
            error: Some(error),
            steps_completed,
            steps_failed,
            started_at: claimed.started_at,
            completed_at: self.now.max(claimed.started_at),
            parent: claimed.parent.clone(),
        };
        self.pending.push_back(Entry::Finish { slot: None, finished: Box::new(finished) });
    }

    fn admit(&mut self, claimed: &ClaimedExecution, plan: &Arc<Plan>) {
        let context = Arc::new(RunContext {
            execution_id: claimed.id,
            input: claimed.input.clone(),
            trigger_type: claimed.trigger_type,
            trigger_data: claimed.trigger_data.clone(),
            started_at: claimed.started_at,
        });
        let (run, mut commands) = if claimed.records.is_empty() {
            Run::start(Arc::clone(plan), context)
        } else {
            Run::recover(Arc::clone(plan), context, &claimed.records)
        };
        let key = self.slots.insert(Slot::new(claimed, run));
        self.index.insert(claimed.id, key);
        let stop = match (claimed.cancel_requested, claimed.deadline_at <= self.now) {
            (true, _) => Some(Event::CancelRequested),
            (false, true) => Some(Event::DeadlinePassed),
            (false, false) => None,
        };
        if stop.is_some() {
            commands = self.without_starting(key, commands);
        } else {
            self.timers.set(claimed.deadline_at, Timer::Deadline(key));
        }
        self.perform(key, commands);
        if let Some(stop) = stop {
            self.stop(key, stop);
        } else {
            // It may have been woken by what it waits for.
            self.request_read(key, false);
        }
        self.settle(key);
    }

    /// Starts nothing that would be stopped at once. What may be a child execution that is running is noted, so
    /// that it is cancelled: whether an agent is a workflow is not known before it is loaded.
    fn without_starting(&mut self, key: SlotKey, commands: Vec<Command>) -> Vec<Command> {
        let (kept, left): (Vec<_>, Vec<_>) =
            commands.into_iter().partition(|command| matches!(command, Command::Record(_) | Command::Finish(_)));
        for command in left {
            if let Command::Start(start) = command
                && let Some(parent) = self.slots.get(key).map(|slot| slot.id)
            {
                let (path, attempt) = (start.path, start.attempt);
                let child = Child { attempt, id: child_id(parent, &path, attempt), path, is_started: true };
                self.set_active(key, start.step, Active::Child(child));
            }
        }
        kept
    }

    /// Lets a run take in a fact about itself, after those that are on their way.
    pub(super) fn stop(&mut self, key: SlotKey, event: Event) {
        let now = self.now;
        if let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live()) {
            slot.unapplied += 1;
            self.pending.push_back(Entry::Whole(Fact { slot: key, event, at: now }));
        }
    }

    pub(super) fn cancel(&mut self, id: ExecutionId) {
        match self.index.get(&id).copied() {
            Some(key) => {
                self.unpark(key);
                self.stop(key, Event::CancelRequested);
            }
            None => {
                if let Some(arrival) = self.arrivals.values_mut().flatten().find(|arrival| arrival.id == id) {
                    arrival.cancel_requested = true;
                } else {
                    self.cancelled_early.insert(id);
                }
            }
        }
    }

    pub(super) fn deadline_passed(&mut self, key: SlotKey) {
        self.unpark(key);
        self.stop(key, Event::DeadlinePassed);
    }
}

/// How many steps of the workflow itself have completed and failed, by what is recorded.
fn count_steps(records: &[StepRecord]) -> (u32, u32) {
    let is_own = |record: &&StepRecord| !record.path.contains(['.', '[']);
    let paths = |wanted: fn(&StepOutcome) -> bool| -> BTreeSet<&str> {
        let found = records.iter().filter(is_own).filter(|record| wanted(&record.outcome));
        found.map(|record| record.path.as_str()).collect()
    };
    let completed = paths(|outcome| matches!(outcome, StepOutcome::Completed(_)));
    let failed = paths(|outcome| matches!(outcome, StepOutcome::Failed(_)));
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (count(completed.len()), count(failed.difference(&completed).count()))
}
