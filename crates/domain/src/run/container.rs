//! Loops and parallel steps: containers that run bodies of the same workflow.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Run,
    event::{FrameId, StepAddress},
    frame::{BranchResult, ForkState, LoopState, StepState},
    scope::FrameScope,
    transition::{Ending, Transition, expression_error},
};
use crate::{
    expression::{Expression, Mapping},
    limits,
    plan::{Action, ItemErrors, LoopAction, LoopSource, ParallelAction, ParallelShape, WaitFor},
    step_run::StepError,
    value::json_text,
};

/// Whether a loop goes on.
enum NextRound {
    Round(Option<Value>),
    Done,
    Failed(StepError),
}

impl Transition<'_> {
    pub(super) fn begin_loop(&mut self, step: StepAddress, action: &LoopAction) {
        let items = match &action.source {
            LoopSource::While(_) => None,
            LoopSource::Items(mapping) => match self.run.items(step.frame, mapping) {
                Ok(items) => Some(items),
                Err(error) => return self.end(step, Ending::Failed(error), false),
            },
        };
        let state = LoopState { items, frame: step.frame, results: Vec::new() };
        self.next_round(step, action, state);
    }

    /// Starts the next round of a loop, or ends the loop. `state.frame` is where `while` looks from.
    fn next_round(&mut self, step: StepAddress, action: &LoopAction, mut state: LoopState) {
        let decision = self.run.decide_round(action, &state);
        if state.frame != step.frame {
            self.run.forget(state.frame);
        }
        match decision {
            NextRound::Round(item) => {
                let number = u32::try_from(state.results.len()).unwrap_or(u32::MAX);
                state.frame = self.open(action.body, Some((step, number)), item);
                if let Some(slot) = self.run.slot_mut(step) {
                    slot.state = StepState::Looping(state);
                }
            }
            NextRound::Done => self.end_loop(step, &state),
            NextRound::Failed(error) => self.end(step, Ending::Failed(error), false),
        }
    }

    /// Ends a loop that has no more rounds.
    fn end_loop(&mut self, step: StepAddress, state: &LoopState) {
        let output = serde_json::json!({ "iterations": state.results.len(), "results": state.results });
        self.end(step, Ending::Completed(Arc::new(output)), false);
    }

    pub(super) fn begin_fork(&mut self, step: StepAddress, action: &ParallelAction) {
        let (items, width) = match &action.shape {
            ParallelShape::Branches(branches) => (None, branches.len()),
            ParallelShape::Map { items, .. } => match self.run.items(step.frame, items) {
                Ok(items) => {
                    let width = items.len();
                    (Some(items), width)
                }
                Err(error) => return self.end(step, Ending::Failed(error), false),
            },
        };
        if width > limits::MAP_ITEMS_MAX as usize {
            let message =
                format!("{width} items are more than the {} that a step may spread over", limits::MAP_ITEMS_MAX);
            return self.end(step, Ending::Failed(StepError::permanent("fanout_limit", message)), false);
        }
        let results = vec![BranchResult::Open; width];
        let fork = ForkState { items, frames: BTreeMap::new(), next: 0, results, completed: 0, ended: 0 };
        if let Some(slot) = self.run.slot_mut(step) {
            slot.state = StepState::Forked(fork);
        }
        self.advance_fork(step, action);
    }

    /// Starts branches while there is room, or ends the step when enough have ended.
    fn advance_fork(&mut self, step: StepAddress, action: &ParallelAction) {
        loop {
            let Some(fork) = self.run.fork_mut(step) else { return };
            let width = u32::try_from(fork.results.len()).unwrap_or(u32::MAX);
            let enough = match action.wait_for {
                WaitFor::All => false,
                WaitFor::Count(count) => fork.completed >= count.min(width),
            };
            if enough || fork.ended == width {
                return self.end_fork(step, action);
            }
            let running = u32::try_from(fork.frames.len()).unwrap_or(u32::MAX);
            let number = fork.next;
            let (body, item, room) = match &action.shape {
                ParallelShape::Branches(branches) => {
                    let Some((_, body)) = branches.get(number as usize) else { return };
                    (*body, None, true)
                }
                ParallelShape::Map { body, max_concurrency, .. } => {
                    let item = fork.items.as_ref().and_then(|items| items.get(number as usize)).cloned();
                    (*body, item, running < (*max_concurrency).max(1))
                }
            };
            if number >= width || !room {
                return;
            }
            fork.next += 1;
            let frame = self.open(body, Some((step, number)), item);
            if let Some(fork) = self.run.fork_mut(step) {
                fork.frames.insert(number, frame);
            }
        }
    }

    /// Ends a parallel step: the branches that still run are not needed.
    fn end_fork(&mut self, step: StepAddress, action: &ParallelAction) {
        self.discard_branches(step);
        let Some(fork) = self.run.fork_mut(step) else { return };
        let results = std::mem::take(&mut fork.results);
        if let WaitFor::Count(count) = action.wait_for
            && fork.completed < count.min(u32::try_from(results.len()).unwrap_or(u32::MAX))
        {
            let message = format!("{} of the {count} branches that it waits for completed", fork.completed);
            return self.end(step, Ending::Failed(StepError::permanent("too_few_branches", message)), false);
        }
        let kept = |result| match result {
            BranchResult::Kept(value) => Some(value),
            BranchResult::Open | BranchResult::Dropped => None,
        };
        let output = match &action.shape {
            ParallelShape::Map { .. } => Value::Array(results.into_iter().filter_map(kept).collect()),
            ParallelShape::Branches(branches) => {
                let named = branches.iter().zip(results);
                Value::Object(named.filter_map(|((name, _), result)| Some((name.clone(), kept(result)?))).collect())
            }
        };
        self.end(step, Ending::Completed(Arc::new(output)), false);
    }

    fn discard_branches(&mut self, step: StepAddress) {
        let Some(fork) = self.run.fork_mut(step) else { return };
        for frame in std::mem::take(&mut fork.frames).into_values() {
            self.discard(frame);
        }
    }

    /// A body of a container has ended.
    pub(super) fn body_ended(
        &mut self,
        step: StepAddress,
        number: u32,
        frame: FrameId,
        result: Result<Value, StepError>,
    ) {
        let plan = Arc::clone(&self.plan);
        match &plan.step(step.step).action {
            Action::Loop(action) => self.round_ended(step, action, frame, result),
            Action::Parallel(action) => {
                self.run.forget(frame);
                self.branch_ended(step, action, number, result);
            }
            _ => {}
        }
    }

    fn round_ended(
        &mut self,
        step: StepAddress,
        action: &LoopAction,
        frame: FrameId,
        result: Result<Value, StepError>,
    ) {
        let Some(slot) = self.run.slot_mut(step) else { return };
        let StepState::Looping(mut state) = std::mem::replace(&mut slot.state, StepState::Queued) else { return };
        let ends = action.break_if.as_ref().map_or(Ok(false), |test| self.run.test(frame, "config.break_if", test));
        match (result, ends) {
            (Err(error), _) | (Ok(_), Err(error)) => {
                self.run.forget(frame);
                self.end(step, Ending::Failed(error), false);
            }
            (Ok(output), Ok(true)) => {
                self.run.forget(frame);
                state.results.push(output);
                self.end_loop(step, &state);
            }
            (Ok(output), Ok(false)) => {
                state.results.push(output);
                self.next_round(step, action, state);
            }
        }
    }

    fn branch_ended(
        &mut self,
        step: StepAddress,
        action: &ParallelAction,
        number: u32,
        result: Result<Value, StepError>,
    ) {
        let Some(fork) = self.run.fork_mut(step) else { return };
        fork.frames.remove(&number);
        fork.ended += 1;
        fork.completed += u32::from(result.is_ok());
        let kept = match (result, action.on_item_error) {
            (Ok(output), _) => BranchResult::Kept(output),
            (Err(_), ItemErrors::Null) => BranchResult::Kept(Value::Null),
            (Err(_), ItemErrors::Drop) => BranchResult::Dropped,
            (Err(error), ItemErrors::Fail) => {
                self.discard_branches(step);
                return self.end(step, Ending::Failed(error), false);
            }
        };
        if let Some(slot) = fork.results.get_mut(number as usize) {
            *slot = kept;
        }
        self.advance_fork(step, action);
    }
}

impl Run {
    /// The output of a body: that of its last step; of several last steps, their outputs by key.
    pub(super) fn body_output(&self, id: FrameId) -> Value {
        let Some(frame) = self.frame(id) else { return Value::Null };
        let output = |step| match self.slot(StepAddress { frame: id, step }).map(|slot| &slot.state) {
            Some(StepState::Completed(output)) => Value::clone(output),
            _ => Value::Null,
        };
        match self.plan.body(frame.body).sinks.as_slice() {
            [step] => output(*step),
            several => {
                let named = several.iter().map(|&step| (self.plan.step(step).key.as_str().to_owned(), output(step)));
                Value::Object(named.collect::<Map<_, _>>())
            }
        }
    }

    /// Whether a loop has another round, and what its item is.
    fn decide_round(&self, action: &LoopAction, state: &LoopState) -> NextRound {
        let round = u32::try_from(state.results.len()).unwrap_or(u32::MAX);
        let more = match &action.source {
            LoopSource::Items(_) => {
                let items = state.items.as_deref().map_or(&[][..], Vec::as_slice);
                match items.get(round as usize) {
                    None => return NextRound::Done,
                    Some(item) => Some(item.clone()),
                }
            }
            LoopSource::While(test) => {
                let scope = FrameScope::new(self, state.frame).with_round(round);
                match test.evaluate_bool(&scope) {
                    Err(error) => return NextRound::Failed(expression_error("config.while", &error)),
                    Ok(false) => return NextRound::Done,
                    Ok(true) => None,
                }
            }
        };
        if round >= action.max_iterations {
            let message = format!("it wants more than its {} rounds (`max_iterations`)", action.max_iterations);
            return NextRound::Failed(StepError::permanent("loop_limit", message));
        }
        NextRound::Round(more)
    }

    /// The list that a mapping gives.
    fn items(&self, frame: FrameId, mapping: &Mapping) -> Result<Arc<Vec<Value>>, StepError> {
        match mapping.evaluate(&FrameScope::new(self, frame)) {
            Ok(Value::Array(items)) => Ok(Arc::new(items)),
            Ok(other) => {
                let kind = json_text::kind_of(&other);
                Err(StepError::permanent("items_not_a_list", format!("config.items gave {kind}, not a list")))
            }
            Err(error) => Err(expression_error("config.items", &error)),
        }
    }

    fn test(&self, frame: FrameId, place: &str, test: &Expression) -> Result<bool, StepError> {
        test.evaluate_bool(&FrameScope::new(self, frame)).map_err(|error| expression_error(place, &error))
    }

    fn fork_mut(&mut self, step: StepAddress) -> Option<&mut ForkState> {
        match &mut self.slot_mut(step)?.state {
            StepState::Forked(fork) => Some(fork),
            _ => None,
        }
    }
}
