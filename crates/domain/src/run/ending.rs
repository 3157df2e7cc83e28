//! How bodies and the run end: all of their steps have ended, one failed for good, or somebody stops them.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Run,
    command::{Command, Outcome},
    event::{FrameId, StepAddress},
    frame::StepState,
    scope::FrameScope,
    transition::{Ending, Transition, expression_error},
};
use crate::{
    execution::ExecutionStatus,
    step_run::{SkipReason, StepError},
};

impl Transition<'_> {
    /// A step failed for good: its frame ends, and with it the container or the run.
    pub(super) fn fail(&mut self, frame: FrameId, error: StepError) {
        self.cancel(frame);
        match self.run.frame(frame).and_then(|frame| frame.parent) {
            None => self.finish(ExecutionStatus::Failed, Value::Null, Some(error)),
            Some((container, number)) => self.body_ended(container, number, frame, Err(error)),
        }
    }

    /// All steps of a frame have ended, none of them decisively.
    pub(super) fn close(&mut self, id: FrameId) {
        let Some(frame) = self.run.frame(id) else { return };
        match frame.parent {
            Some((container, number)) => {
                let output = self.run.body_output(id);
                self.body_ended(container, number, id, Ok(output));
            }
            None => match self.run.execution_output() {
                Ok(output) => self.finish(ExecutionStatus::Completed, output, None),
                Err(error) => self.finish(ExecutionStatus::Failed, Value::Null, Some(error)),
            },
        }
    }

    /// Ends what has not ended in a frame, and in the frames below it.
    pub(super) fn cancel(&mut self, id: FrameId) {
        let Some(frame) = self.run.frame(id) else { return };
        let body = frame.body;
        let plan = Arc::clone(&self.plan);
        for &step in &plan.body(body).steps {
            let address = StepAddress { frame: id, step };
            let Some(slot) = self.run.slot(address) else { continue };
            match &slot.state {
                state if state.has_ended() => continue,
                StepState::Running { .. } | StepState::Waiting { .. } => {
                    self.commands.push(Command::Interrupt { step: address });
                }
                StepState::Looping(state) => {
                    let round = state.frame;
                    self.discard(round);
                }
                StepState::Forked(state) => {
                    let branches: Vec<_> = state.frames.values().copied().collect();
                    for branch in branches {
                        self.discard(branch);
                    }
                }
                _ => {}
            }
            let ending = Ending::Skipped(SkipReason::Cancelled);
            self.record(address, &ending);
            self.release(address);
            if let Some(slot) = self.run.slot_mut(address) {
                slot.state = StepState::Skipped(SkipReason::Cancelled);
            }
        }
        if let Some(frame) = self.run.frame_mut(id) {
            frame.open = 0;
        }
    }

    /// Ends a frame and forgets it.
    pub(super) fn discard(&mut self, id: FrameId) {
        self.cancel(id);
        self.run.forget(id);
    }

    /// Ends the run from outside.
    pub(super) fn stop(&mut self, status: ExecutionStatus, error: StepError) {
        self.cancel(FrameId(0));
        self.finish(status, Value::Null, Some(error));
    }

    pub(super) fn finish(&mut self, status: ExecutionStatus, output: Value, error: Option<StepError>) {
        self.run.queue.clear();
        let (steps_completed, steps_failed) = (self.run.steps_completed, self.run.steps_failed);
        let outcome = Outcome { status, output, error, steps_completed, steps_failed };
        self.run.outcome = Some(outcome.clone());
        self.commands.push(Command::Finish(outcome));
    }
}

impl Run {
    /// The output of the whole run.
    pub(super) fn execution_output(&self) -> Result<Value, StepError> {
        match self.plan.output() {
            None => Ok(self.body_output(FrameId(0))),
            Some(mapping) => {
                mapping.evaluate(&FrameScope::new(self, FrameId(0))).map_err(|error| expression_error("output", &error))
            }
        }
    }
}
