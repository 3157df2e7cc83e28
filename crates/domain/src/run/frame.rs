//! The state of a run: frames (bodies that run) and the steps in them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Run,
    event::{FrameId, StepAddress},
};
use crate::{
    plan::{BodyIndex, Plan},
    step_run::SkipReason,
};

/// A body that runs: the root, one round of a loop, one branch, one item of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// Which body.
    pub body: BodyIndex,
    /// The container that runs it and which round, branch or item it is; `None` for the root.
    pub parent: Option<(StepAddress, u32)>,
    /// What expressions see as `item`.
    pub item: Option<Value>,
    /// Its steps, by their position in the body.
    pub steps: Vec<StepSlot>,
    /// How many of them have not ended.
    pub open: usize,
}

impl Frame {
    pub(super) fn new(plan: &Plan, body: BodyIndex, parent: Option<(StepAddress, u32)>, item: Option<Value>) -> Self {
        let indices = &plan.body(body).steps;
        let steps = indices.iter().map(|&index| StepSlot::new(plan.step(index).dependencies.len())).collect();
        Self { body, parent, item, steps, open: indices.len() }
    }
}

/// A step in a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepSlot {
    /// Where it stands.
    pub state: StepState,
    /// When it left [`StepState::Blocked`].
    pub started_at: Option<DateTime<Utc>>,
    /// How many of its dependencies have not ended.
    pub dependencies_open: usize,
    /// How many of them completed, or failed where that lets the run go on.
    pub dependencies_completed: usize,
    /// How many of them were skipped.
    pub dependencies_skipped: usize,
    /// Whether a condition took a branch that this step is not in.
    pub excluded: bool,
}

impl StepSlot {
    const fn new(dependencies: usize) -> Self {
        Self {
            state: StepState::Blocked,
            started_at: None,
            dependencies_open: dependencies,
            dependencies_completed: 0,
            dependencies_skipped: 0,
            excluded: false,
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepState {
    /// It waits for its dependencies.
    Blocked,
    /// It is ready and waits for one of the run's places.
    Queued,
    /// Its agent runs, or will when the attempt is due.
    Running { attempt: u16, due: DateTime<Utc> },
    /// It waits for a time or an event.
    Waiting { since: DateTime<Utc>, until: Option<DateTime<Utc>> },
    /// A loop in one of its rounds.
    Looping(LoopState),
    /// A parallel step whose branches run.
    Forked(ForkState),
    /// It succeeded.
    Completed(Arc<Value>),
    /// It failed; the error as expressions see it.
    Failed(Arc<Value>),
    /// It was not run, or not to its end.
    Skipped(SkipReason),
}

impl StepState {
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_) | Self::Skipped(_))
    }
}

/// A loop in one of its rounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LoopState {
    /// The items; `None` for a `while` loop.
    pub items: Option<Arc<Vec<Value>>>,
    /// The frame of the round that runs; its number is `results.len()`.
    pub frame: FrameId,
    /// The outputs of the rounds that have ended.
    pub results: Vec<Value>,
}

/// A parallel step whose branches run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ForkState {
    /// The items of a map; `None` for named branches.
    pub items: Option<Arc<Vec<Value>>>,
    /// The branches that run, by their number.
    pub frames: BTreeMap<u32, FrameId>,
    /// The next branch to start.
    pub next: u32,
    /// What the branches ended with, by their number.
    pub results: Vec<BranchResult>,
    /// How many of them completed.
    pub completed: u32,
    /// How many of them ended.
    pub ended: u32,
}

/// What a branch ended with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BranchResult {
    /// It has not ended.
    Open,
    /// It is in the output.
    Kept(Value),
    /// It failed and is left out of the output.
    Dropped,
}

impl Run {
    pub(super) fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn frame_mut(&mut self, id: FrameId) -> Option<&mut Frame> {
        self.frames.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn slot(&self, address: StepAddress) -> Option<&StepSlot> {
        let step = self.plan.steps().get(address.step.0 as usize)?;
        let frame = self.frame(address.frame).filter(|frame| frame.body == step.body)?;
        frame.steps.get(step.position as usize)
    }

    pub(super) fn slot_mut(&mut self, address: StepAddress) -> Option<&mut StepSlot> {
        let step = self.plan.steps().get(address.step.0 as usize)?;
        let (body, position) = (step.body, step.position as usize);
        let frame = self.frame_mut(address.frame).filter(|frame| frame.body == body)?;
        frame.steps.get_mut(position)
    }

    /// Drops a frame that is not needed any more; its number is never used again.
    pub(super) fn forget(&mut self, id: FrameId) {
        if let Some(frame) = self.frames.get_mut(id.0 as usize) {
            *frame = None;
        }
    }
}
