//! Doing what a run wants done.

use turbocat_domain::run::{AwaitStep, Command, Report, StartStep, StepAddress, TransitionError};
use turbocat_planted::{Bug, is_planted};

use super::{
    Shard, SlotKey,
    lane::Entry,
    pause::Held,
    slot::{Active, Phase, Short, Waiting},
};
use crate::children;

impl Shard {
    /// Does what a run wants done, in its order.
    pub(super) fn perform(&mut self, key: SlotKey, commands: Vec<Command>) {
        if let Some(slot) = self.slots.get_mut(key)
            && matches!(slot.phase, Phase::Lingering)
        {
            slot.phase = Phase::Running;
        }
        for command in commands {
            match command {
                Command::Start(start) => self.start(key, start),
                Command::Wait(wait) => self.wait(key, wait),
                Command::Interrupt { step } => self.interrupt(key, step),
                Command::Record(record) => self.lanes.push(Entry::Record(Box::new(record))),
                Command::Finish(outcome) => self.finish(key, outcome),
            }
        }
    }

    pub(super) fn start(&mut self, key: SlotKey, start: StartStep) {
        if self.draining {
            // Who takes the execution on will start it.
            return;
        }
        if self.is_paused(key) {
            self.set_active(key, start.step, Active::Held(Held::Start(start)));
        } else if start.due > self.now && !is_planted(Bug::RetryEarly) {
            self.set_active(key, start.step, Active::Delayed(start));
        } else {
            self.start_now(key, start);
        }
    }

    fn wait(&mut self, key: SlotKey, wait: AwaitStep) {
        let waiting = Waiting { path: wait.path, until: wait.until, event: wait.event, seen_until: None };
        let is_paused = self.is_paused(key);
        let active = if is_paused { Active::Held(Held::Wait(waiting)) } else { Active::Waiting(waiting) };
        self.set_active(key, wait.step, active);
    }

    fn is_paused(&self, key: SlotKey) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.is_paused)
    }

    /// Stops what of a step is going on.
    pub(super) fn interrupt(&mut self, key: SlotKey, step: StepAddress) {
        match self.take_active(key, step) {
            Some(Active::Child(child)) => {
                self.leaves_children(key);
                if child.is_started {
                    self.cancel_child(child.id);
                }
            }
            // The owner before may have started a child for it.
            Some(Active::Loading(_) | Active::Held(Held::Start(_))) => self.leaves_children(key),
            _ => {}
        }
    }

    pub(super) fn cancel_child(&self, child: turbocat_domain::id::ExecutionId) {
        let core = std::sync::Arc::clone(&self.life.core);
        self.life.core.tasks.spawn(async move { children::cancel(&core, child).await });
    }

    /// Makes a fact of a report, and takes it in.
    pub(super) fn take_in(&mut self, key: SlotKey, report: Report) {
        let now = self.now;
        let step = step_of(&report);
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live()) else { return };
        match slot.run.interpret(report, now) {
            Ok(Some(event)) => {
                // Nothing that comes later about this step counts.
                self.take_active(key, step);
                self.take_fact(key, &event);
            }
            Ok(None) => {}
            Err(TransitionError::Early) => {
                let until = match slot.active.get(&step) {
                    Some(Active::Waiting(waiting)) => waiting.until,
                    _ => None,
                };
                if let Some(until) = until {
                    self.timers.set(until, super::Timer::Step(key, step));
                }
            }
            Err(refused) => {
                // It lost against another fact that is on its way.
                tracing::debug!(execution.id = %slot.id, %refused, "a report came too late");
                self.take_active(key, step);
            }
        }
    }

    /// A retry is to be started, or a wait is over.
    pub(super) fn step_is_due(&mut self, key: SlotKey, step: StepAddress) {
        self.unpark(key);
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live()) else { return };
        match slot.active.get(&step) {
            Some(Active::Delayed(_) | Active::Short(_)) => {
                if let Some(Active::Delayed(start) | Active::Short(Short { start, .. })) = self.take_active(key, step) {
                    self.start(key, start);
                }
            }
            Some(Active::Waiting(_)) => self.take_in(key, Report::TimerFired { step }),
            _ => {}
        }
    }
}

const fn step_of(report: &Report) -> StepAddress {
    match report {
        Report::Answered { step, .. }
        | Report::Failed { step, .. }
        | Report::TimerFired { step }
        | Report::Signalled { step, .. } => *step,
    }
}
