//! How executions come into memory: their plan is found, their run is started or recovered.

use std::sync::Arc;

use turbocat_domain::{
    id::WorkflowId,
    plan::Plan,
    port::ClaimedExecution,
    run::{Command, Event, Run, RunContext},
    step_run::{SkipReason, StepError, StepOutcome, StepRecord},
};

use super::{Shard, SlotKey, message::Message, slot::Slot, timers::Timer};
use crate::plans::{self, LoadedWorkflow};

impl Shard {
    /// Takes an accepted execution in. One that was accepted before and is held goes on as it is.
    pub(super) fn adopt_born(&mut self, born: Box<ClaimedExecution>) {
        let arrives = self.arrivals.values().flatten().any(|arrival| arrival.id == born.id);
        if arrives || self.index.contains_key(&born.id) {
            return self.life.release(1);
        }
        self.adopt(born);
    }

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
        if let Some(letter) = self.early.remove(&claimed.id) {
            claimed.cancel_requested |= letter.cancel_requested;
            claimed.is_paused = letter.is_paused;
        }
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
                    biased;
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

    fn admit(&mut self, claimed: &ClaimedExecution, plan: &Arc<Plan>) {
        let context = Arc::new(RunContext {
            execution_id: claimed.id,
            input: claimed.input.clone(),
            trigger_type: claimed.trigger_type,
            trigger_data: claimed.trigger_data.clone(),
            started_at: claimed.started_at,
        });
        self.life.core.tally.taken_on(claimed.records.is_empty());
        let (run, mut commands) = if claimed.records.is_empty() {
            Run::start(Arc::clone(plan), context)
        } else {
            Run::recover(Arc::clone(plan), context, &claimed.records)
        };
        let mut slot = Slot::new(claimed, run);
        slot.leaves_children = has_interrupted(&claimed.records, &commands);
        let key = self.slots.insert(slot);
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
            self.stop(key, &stop);
        } else {
            // It may have been woken by what it waits for, and if it is paused, it may have been resumed meanwhile.
            self.request_read(key, claimed.is_paused);
        }
        self.settle(key);
    }

    /// Starts nothing that would be stopped at once. The owner before may have started children for it.
    fn without_starting(&mut self, key: SlotKey, commands: Vec<Command>) -> Vec<Command> {
        let (kept, left): (Vec<_>, Vec<_>) =
            commands.into_iter().partition(|command| matches!(command, Command::Record(_) | Command::Finish(_)));
        if left.iter().any(|command| matches!(command, Command::Start(_))) {
            self.leaves_children(key);
        }
        kept
    }

    /// Lets a run take in a fact about itself.
    pub(super) fn stop(&mut self, key: SlotKey, event: &Event) {
        let goes_on = |slot: &Slot| slot.is_live() && slot.run.outcome().is_none();
        if self.slots.get(key).is_some_and(goes_on) {
            self.take_fact(key, event);
        }
    }

    pub(super) fn deadline_passed(&mut self, key: SlotKey) {
        self.unpark(key);
        self.stop(key, &Event::DeadlinePassed);
    }
}

/// Whether steps were interrupted: the owner before may have died before it had their children cancelled.
fn has_interrupted(records: &[StepRecord], outstanding: &[Command]) -> bool {
    let outstanding = outstanding.iter().filter_map(|command| match command {
        Command::Record(record) => Some(record),
        _ => None,
    });
    records.iter().chain(outstanding).any(|record| record.outcome == StepOutcome::Skipped(SkipReason::Cancelled))
}
