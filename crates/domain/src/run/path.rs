//! The durable address of a step in a run: `fetch`, `collect[3].fetch`, `fan.left.check`.

use std::fmt::Write as _;

use super::{
    Run,
    event::{FrameId, StepAddress},
    frame::StepState,
};
use crate::plan::{Action, ParallelAction, ParallelShape};

impl Run {
    /// The path of a step.
    #[must_use]
    pub fn path(&self, address: StepAddress) -> String {
        let mut path = self.prefix(address.frame);
        path.push_str(self.plan.step(address.step).key.as_str());
        path
    }

    /// What the paths of a frame's steps begin with, dot included.
    fn prefix(&self, frame: FrameId) -> String {
        let Some((container, number)) = self.frame(frame).and_then(|frame| frame.parent) else {
            return String::new();
        };
        let mut prefix = self.path(container);
        match &self.plan.step(container.step).action {
            Action::Parallel(ParallelAction { shape: ParallelShape::Branches(branches), .. }) => {
                let name = branches.get(number as usize).map_or("", |(name, _)| name);
                let _ = write!(prefix, ".{name}.");
            }
            _ => {
                let _ = write!(prefix, "[{number}].");
            }
        }
        prefix
    }

    /// Finds the step that a path names, if its frame is there.
    pub(super) fn resolve(&self, path: &str) -> Option<StepAddress> {
        let mut frame = FrameId(0);
        let mut rest = path;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            let address = StepAddress { frame, step: self.plan.find(key)? };
            self.slot(address)?;
            if tail.is_empty() {
                return Some(address);
            }
            let (number, next) = self.branch(address, tail)?;
            frame = match &self.slot(address)?.state {
                StepState::Looping(state) if state.results.len() == number as usize => state.frame,
                StepState::Forked(state) => *state.frames.get(&number)?,
                _ => return None,
            };
            rest = next;
        }
    }

    /// Reads which round, branch or item the tail of a path begins with.
    fn branch<'a>(&self, container: StepAddress, tail: &'a str) -> Option<(u32, &'a str)> {
        if let Some(tail) = tail.strip_prefix('[') {
            let (number, next) = tail.split_once("].")?;
            return Some((number.parse().ok()?, next));
        }
        let (name, next) = tail.strip_prefix('.')?.split_once('.')?;
        let Action::Parallel(ParallelAction { shape: ParallelShape::Branches(branches), .. }) =
            &self.plan.step(container.step).action
        else {
            return None;
        };
        let number = branches.iter().position(|(branch, _)| branch == name)?;
        Some((u32::try_from(number).ok()?, next))
    }
}
