//! How executions end: with the run, without one, or because storage refuses them.
//!
//! After its end nobody takes an execution on again, so what has to be done about it is done before: the children for
//! whose answers nobody waits are asked to be cancelled, and what follows a failure is started. That it was done is not
//! known of an execution that was taken over, so it is done again.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use turbocat_domain::{
    execution::ExecutionStatus,
    port::{ClaimedExecution, FinishedExecution},
    run::{Command, Event, Outcome},
    step_run::{StepError, StepOutcome, StepRecord},
};
use turbocat_planted::{Bug, is_planted};

use super::{Message, Shard, SlotKey, lane::Entry, slot::Phase};
use crate::{
    children,
    follow_up::{self, Failure},
};

impl Shard {
    /// A run has ended.
    pub(super) fn finish(&mut self, key: SlotKey, outcome: Outcome) {
        self.take_all_active(key);
        let now = self.now;
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.phase = Phase::Finishing { refused: false };
        slot.is_followed = slot.would_be_followed(outcome.status);
        let finished = FinishedExecution {
            id: slot.id,
            workflow_id: slot.workflow_id,
            status: outcome.status,
            output: outcome.output,
            error: outcome.error,
            steps_completed: outcome.steps_completed,
            steps_failed: outcome.steps_failed,
            started_at: slot.started_at,
            completed_at: now.max(slot.started_at),
            parent: slot.parent.clone().filter(|_| !is_planted(Bug::ParentNotWoken)),
        };
        slot.end = Some(Box::new(finished));
        self.hand_over_end(key);
    }

    /// Hands the end of a run to the journal, as soon as the children that it leaves are asked to be cancelled, and what
    /// follows it is started.
    pub(super) fn hand_over_end(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if slot.leaves_children {
            // One whose start is under way is not there to be cancelled yet.
            if slot.children_starting == 0 {
                let (life, parent) = (Arc::clone(&self.life), slot.id);
                self.life.core.tasks.spawn(async move {
                    children::cancel_all(&life.core, parent).await;
                    // A closed inbox means that this life is over; the next owner asks again.
                    let _closed = life.shard.send(Message::ChildrenCancelled(key));
                });
            }
        } else if slot.is_followed
            && let Some(finished) = slot.end.as_deref().cloned()
        {
            let context = slot.run.context();
            let trigger = (context.trigger_type, context.trigger_data.clone());
            let failure = Failure { finished, user_id: slot.user_id, trigger, input: context.input.clone() };
            let life = Arc::clone(&self.life);
            self.life.core.tasks.spawn(async move {
                follow_up::start(&life.core, failure).await;
                // A closed inbox means that this life is over; the next owner starts it again.
                let _closed = life.shard.send(Message::Followed(key));
            });
        } else if let Some(finished) = slot.end.take() {
            self.lanes.push(Entry::Finish { slot: Some(key), finished });
        }
    }

    /// All children that a run leaves are asked to be cancelled.
    pub(super) fn children_cancelled(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.leaves_children = false;
        }
        self.hand_over_end(key);
    }

    /// What follows the end of a run is started.
    pub(super) fn followed(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.is_followed = false;
        }
        self.hand_over_end(key);
    }

    /// Notes that an execution may have a child for whose answer nobody waits any more.
    pub(super) fn leaves_children(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.leaves_children = true;
        }
    }

    /// Ends an execution that cannot be run here or anywhere. It may have been run before, so it may have children.
    pub(super) fn refuse(&mut self, claimed: &ClaimedExecution, error: StepError) {
        tracing::error!(execution.id = %claimed.id, %error, "the execution cannot be run");
        self.refusing.insert(claimed.id);
        let (steps_completed, steps_failed) = count_steps(&claimed.records);
        let finished = Box::new(FinishedExecution {
            id: claimed.id,
            workflow_id: claimed.workflow_id,
            status: ExecutionStatus::Failed,
            output: Value::Null,
            error: Some(error),
            steps_completed,
            steps_failed,
            started_at: claimed.started_at,
            completed_at: self.now.max(claimed.started_at),
            parent: claimed.awaited_by(),
        });
        let trigger = (claimed.trigger_type, claimed.trigger_data.clone());
        let input = claimed.input.clone();
        let failure = Failure { finished: (*finished).clone(), user_id: claimed.user_id, trigger, input };
        let life = Arc::clone(&self.life);
        self.life.core.tasks.spawn(async move {
            children::cancel_all(&life.core, finished.id).await;
            follow_up::start(&life.core, failure).await;
            // A closed inbox means that this life is over; the next owner refuses it too.
            let _closed = life.shard.send(Message::Refused(finished));
        });
    }

    /// Hands the end of an execution that was never in memory to the journal.
    pub(super) fn end_refused(&mut self, finished: Box<FinishedExecution>) {
        self.lanes.push(Entry::Finish { slot: None, finished });
    }

    /// Storage refuses what a run wants committed: it ends with that error, and nothing else of it is written.
    pub(super) fn refused(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if matches!(slot.phase, Phase::Finishing { refused: true }) {
            tracing::error!(execution.id = %slot.id, "storage refuses even the end of the execution");
            self.remove_slot(key);
            return;
        }
        let message = "storage refuses a result of this execution; the server's log says why";
        let error = StepError::permanent("storage_refused", message);
        let id = slot.id;
        if slot.run.outcome().is_none() {
            let event = Event::Aborted { error: error.clone() };
            let commands = slot.run.apply(&event, self.now).unwrap_or_default();
            for command in commands {
                if let Command::Interrupt { step } = command {
                    self.interrupt(key, step);
                }
            }
        }
        self.parks.remove(&key);
        self.lanes.forget(id);
        let outcome = self.slots.get(key).and_then(|slot| slot.run.outcome().cloned());
        if let Some(outcome) = outcome {
            let output = Value::Null;
            self.finish(key, Outcome { status: ExecutionStatus::Failed, output, error: Some(error), ..outcome });
        }
        if let Some(slot) = self.slots.get_mut(key) {
            slot.phase = Phase::Finishing { refused: true };
        }
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
