//! For people in a pipe: a line a step on standard error, the output on standard output.

use turbocat_engine::StepProgress;

use super::{Accepted, Ended, View, text};
use crate::report;

/// Writes lines, and never one again.
#[derive(Debug)]
pub(super) struct PlainView;

impl View for PlainView {
    fn accepted(&mut self, accepted: &Accepted) {
        report::note(text::accepted(accepted));
    }

    fn step(&mut self, step: &StepProgress) {
        report::note(text::step(step, false));
    }

    fn ended(&mut self, ended: &Ended) {
        report::note(text::ended(ended, false));
        if ended.error.is_none() {
            report::pretty(&ended.output);
        }
    }

    fn left(&mut self, reason: &str) {
        report::note(reason);
    }
}
