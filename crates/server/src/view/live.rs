//! For people on a terminal: what has ended scrolls up, what runs stands below and moves.
//!
//! Plain ANSI: the lines that stand are erased and written again. Automatic line breaks are off while they are
//! written, so that a long line is cut by the terminal and a line stays a line.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Instant,
};

use turbocat_domain::execution_log::StepStatus;
use turbocat_engine::StepProgress;

use super::{Accepted, Ended, View, text};
use crate::report;

/// How many running steps are shown; a terminal has few lines.
const RUNNING_MAX: usize = 8;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ERASE_BELOW: &str = "\x1b[J";
const BREAKS_OFF: &str = "\x1b[?7l";
const BREAKS_ON: &str = "\x1b[?7h";

/// Redraws the lines that stand.
#[derive(Debug)]
pub(super) struct LiveView {
    colour: bool,
    started: Instant,
    /// Steps that are running, in the order in which they began to be seen.
    running: Vec<String>,
    done: usize,
    /// How many lines stand below.
    standing: usize,
    frame: usize,
}

impl LiveView {
    /// A view on which nothing has happened.
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, started: Instant::now(), running: Vec::new(), done: 0, standing: 0, frame: 0 }
    }

    /// Takes in a step, and returns the line that scrolls up, if it has ended.
    fn take(&mut self, step: &StepProgress) -> Option<String> {
        self.running.retain(|path| *path != step.path);
        if step.status == StepStatus::Running {
            self.running.push(step.path.clone());
            return None;
        }
        self.done += 1;
        Some(text::step(step, self.colour))
    }

    /// The lines that stand below.
    fn standing_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.running.iter().take(RUNNING_MAX).map(|path| format!("… {path}")).collect();
        let more = self.running.len().saturating_sub(RUNNING_MAX);
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        let spinner = SPINNER.get(self.frame % SPINNER.len()).copied().unwrap_or_default();
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        lines.push(format!("{spinner} {} steps, {}", self.done, text::duration(elapsed_ms)));
        lines
    }

    /// Erases what stands, writes what scrolls up, and writes what stands now.
    fn redraw(&mut self, scrolled: Option<&str>, standing: &[String]) {
        let mut frame = String::new();
        if self.standing > 0 {
            let _infallible = write!(frame, "\x1b[{}A\r", self.standing);
        }
        frame.push_str(ERASE_BELOW);
        if let Some(line) = scrolled {
            frame.push_str(line);
            frame.push('\n');
        }
        frame.push_str(BREAKS_OFF);
        for line in standing {
            frame.push_str(line);
            frame.push('\n');
        }
        frame.push_str(BREAKS_ON);
        self.standing = standing.len();
        let mut out = io::stderr().lock();
        let _nobody_looks = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
    }
}

impl View for LiveView {
    fn accepted(&mut self, accepted: &Accepted) {
        self.started = Instant::now();
        self.redraw(Some(&text::accepted(accepted)), &self.standing_lines());
    }

    fn step(&mut self, step: &StepProgress) {
        let line = self.take(step);
        self.redraw(line.as_deref(), &self.standing_lines());
    }

    fn tick(&mut self) {
        self.frame += 1;
        self.redraw(None, &self.standing_lines());
    }

    fn ended(&mut self, ended: &Ended) {
        self.redraw(Some(&text::ended(ended, self.colour)), &[]);
        if ended.error.is_none() {
            report::pretty(&ended.output);
        }
    }

    fn left(&mut self, reason: &str) {
        self.redraw(Some(reason), &[]);
    }
}

#[cfg(test)]
mod tests {
    use turbocat_domain::id::ExecutionId;
    use uuid::Uuid;

    use super::*;

    fn progress(path: &str, status: StepStatus) -> StepProgress {
        StepProgress {
            execution_id: ExecutionId::from_uuid(Uuid::nil()),
            path: path.to_owned(),
            attempt: 1,
            status,
            duration_ms: None,
            error: None,
        }
    }

    #[test]
    fn what_runs_stands_below_until_it_ends() {
        let mut view = LiveView::new(false);
        assert_eq!(view.take(&progress("a", StepStatus::Running)), None);
        assert_eq!(view.take(&progress("b", StepStatus::Running)), None);
        assert_eq!(view.standing_lines()[..2], ["… a", "… b"]);

        assert!(view.take(&progress("a", StepStatus::Completed)).is_some());

        assert_eq!(view.standing_lines()[0], "… b");
        assert!(view.standing_lines()[1].contains("1 steps"));
    }

    #[test]
    fn only_as_many_lines_stand_as_a_small_terminal_has() {
        let mut view = LiveView::new(false);
        for index in 0..100 {
            view.take(&progress(&format!("map[{index}]"), StepStatus::Running));
        }

        let lines = view.standing_lines();
        assert_eq!(lines.len(), RUNNING_MAX + 2);
        assert_eq!(lines[RUNNING_MAX], "… and 92 more");
    }
}
