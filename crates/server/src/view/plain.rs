//! For people in a pipe: a line a step on standard error, the output on standard output.

use turbocat_engine::{Awaited, StepProgress, StepWait};

use super::{Accepted, Ended, Left, Style, View, text};
use crate::report;

/// A wait that is shorter than this, in milliseconds, is no news.
const WAIT_SHOWN_MS: u64 = 1_000;

/// Writes lines, and never one again.
#[derive(Debug)]
pub(super) struct PlainView;

impl View for PlainView {
    fn accepted(&mut self, accepted: &Accepted) {
        report::note(text::accepted(accepted));
    }

    fn step(&mut self, step: &StepProgress) {
        report::note(text::step(step, Style::PLAIN));
    }

    fn wait(&mut self, wait: &StepWait) {
        if is_news(wait) {
            report::note(text::standing(&wait.path, &text::awaited(wait, 0), Style::PLAIN));
        }
    }

    fn ended(&mut self, ended: &Ended) {
        report::note(text::ended(ended, Style::PLAIN));
        if ended.error.is_none() {
            report::value(&ended.output);
        }
    }

    fn left(&mut self, left: &Left) {
        report::note(text::left(left));
    }
}

/// Thousands of steps may wait for one agent, and a short wait is over before it is read of.
fn is_news(wait: &StepWait) -> bool {
    match wait.what {
        Awaited::Agent => false,
        Awaited::Time => wait.ends_in_ms.is_none_or(|ms| ms >= WAIT_SHOWN_MS),
        Awaited::Retry | Awaited::Resume | Awaited::Event(_) | Awaited::Approval | Awaited::Budget(_) => true,
    }
}
