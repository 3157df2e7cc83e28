//! What an expression of a step may see of its run.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Run, event::FrameId, frame::StepState};
use crate::{
    execution::{cause_of, env_of},
    expression::{Root, Scope, StepView},
    plan::Action,
};

/// The view from one frame: its steps that have ended, those of the frames around it, the run's facts.
pub(super) struct FrameScope<'a> {
    run: &'a Run,
    frame: FrameId,
    /// `output` in a step's `outputs`.
    answer: Option<&'a Value>,
    /// `event` in a filter.
    event: Option<&'a Value>,
    /// The number of the round that a `while` decides about.
    round: Option<u32>,
}

impl<'a> FrameScope<'a> {
    pub(super) const fn new(run: &'a Run, frame: FrameId) -> Self {
        Self { run, frame, answer: None, event: None, round: None }
    }

    pub(super) const fn with_answer(self, answer: &'a Value) -> Self {
        Self { answer: Some(answer), ..self }
    }

    pub(super) const fn with_event(self, event: &'a Value) -> Self {
        Self { event: Some(event), ..self }
    }

    pub(super) const fn with_round(self, round: u32) -> Self {
        Self { round: Some(round), ..self }
    }

    /// The frames from this one outwards.
    fn frames(&self) -> impl Iterator<Item = &'a super::frame::Frame> {
        let run = self.run;
        std::iter::successors(run.frame(self.frame), move |frame| run.frame(frame.parent?.0.frame))
    }

    /// The number of the innermost round of a loop, or of the innermost frame in a loop or map.
    fn number(&self, rounds_only: bool) -> Option<u32> {
        let counted = |frame: &super::frame::Frame| {
            let (container, number) = frame.parent?;
            match &self.run.plan.step(container.step).action {
                Action::Loop(_) => Some(number),
                Action::Parallel(_) if !rounds_only && frame.item.is_some() => Some(number),
                _ => None,
            }
        };
        self.round.or_else(|| self.frames().find_map(counted))
    }
}

impl Scope for FrameScope<'_> {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        let context = &self.run.context;
        Some(match root {
            Root::Input => Cow::Borrowed(&context.input),
            Root::Item => Cow::Borrowed(self.frames().find_map(|frame| frame.item.as_ref())?),
            Root::Index => Cow::Owned(json!(self.number(false)?)),
            Root::Iteration => Cow::Owned(json!(self.number(true)? + 1)),
            Root::Trigger => {
                Cow::Owned(json!({ "type": context.trigger_type.as_str(), "data": cause_of(&context.trigger_data) }))
            }
            Root::Execution => Cow::Owned(json!({
                "id": context.execution_id.to_string(),
                "started_at": context.started_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                "attempt": 1,
            })),
            Root::Env => match env_of(&context.trigger_data) {
                Some(env) => Cow::Borrowed(env),
                None => Cow::Owned(json!({})),
            },
            Root::Output => Cow::Borrowed(self.answer?),
            Root::Event => Cow::Borrowed(self.event?),
        })
    }

    fn step(&self, key: &str) -> Option<StepView<'_>> {
        let step = self.run.plan.find(key)?;
        let body = self.run.plan.step(step).body;
        let frame = self.frames().find(|frame| frame.body == body)?;
        let slot = frame.steps.get(self.run.plan.step(step).position as usize)?;
        match &slot.state {
            StepState::Completed(output) => Some(StepView { output: Some(output), status: "completed", error: None }),
            StepState::Failed(error) => Some(StepView { output: None, status: "failed", error: Some(error) }),
            StepState::Skipped(_) => Some(StepView { output: None, status: "skipped", error: None }),
            _ => None,
        }
    }
}
