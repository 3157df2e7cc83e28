//! For people on a terminal: what has ended scrolls up, what has not stands below and moves.
//!
//! Plain ANSI: the lines that stand are erased and written again. Automatic line breaks are off while they are
//! written, so that a long line is cut by the terminal and a line stays a line.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Instant,
};

use turbocat_domain::execution_log::StepStatus;
use turbocat_engine::{Awaited, StepProgress, StepWait};

use super::{Accepted, Ended, Left, Style, View, text};
use crate::report;

/// How many steps stand below; a terminal has few lines.
const STANDING_MAX: usize = 8;
/// The width of a terminal that does not tell.
const WIDTH: u16 = 80;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ERASE_BELOW: &str = "\x1b[J";
const BREAKS_OFF: &str = "\x1b[?7l";
const BREAKS_ON: &str = "\x1b[?7h";

/// Redraws the lines that stand.
#[derive(Debug)]
pub(super) struct LiveView {
    style: Style,
    started: Instant,
    /// Steps that have not ended, in the order in which they began to be seen.
    open: Vec<Open>,
    done: usize,
    /// How many lines stand below.
    standing: usize,
    frame: usize,
}

/// A step that has not ended.
#[derive(Debug)]
struct Open {
    path: String,
    since: Instant,
    /// What it waits for; nothing if it runs.
    wait: Option<StepWait>,
}

impl Open {
    fn line(&self, style: Style) -> String {
        let since_ms = elapsed_ms(self.since);
        let what = match &self.wait {
            Some(wait) => text::awaited(wait, since_ms),
            None => format!("runs, {}", text::duration(since_ms)),
        };
        text::standing(&self.path, &what, style)
    }
}

impl LiveView {
    /// A view on which nothing has happened.
    pub(super) fn new(colour: bool) -> Self {
        let style = Style { colour, width: usize::from(WIDTH) };
        Self { style, started: Instant::now(), open: Vec::new(), done: 0, standing: 0, frame: 0 }
    }

    /// Takes in a step, and returns the line that scrolls up, if it has ended.
    fn take(&mut self, step: &StepProgress) -> Option<String> {
        if step.status == StepStatus::Running {
            self.open(&step.path, None);
            return None;
        }
        self.open.retain(|open| open.path != step.path);
        self.done += 1;
        Some(text::step(step, self.style))
    }

    /// A step stands below from now on.
    fn open(&mut self, path: &str, wait: Option<StepWait>) {
        self.open.retain(|open| open.path != path);
        self.open.push(Open { path: path.to_owned(), since: Instant::now(), wait });
    }

    /// The lines that stand below.
    fn standing_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.open.iter().take(STANDING_MAX).map(|open| open.line(self.style)).collect();
        let more = self.open.len().saturating_sub(STANDING_MAX);
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        let spinner = SPINNER.get(self.frame % SPINNER.len()).copied().unwrap_or_default();
        let steps = if self.done == 1 { "step" } else { "steps" };
        lines.push(format!("{spinner} {} {steps}, {}", self.done, text::duration(elapsed_ms(self.started))));
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

    /// A window may change its width at any time.
    fn measure(&mut self) {
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(WIDTH, |(width, _)| width.0);
        self.style.width = usize::from(width);
    }
}

impl View for LiveView {
    fn accepted(&mut self, accepted: &Accepted) {
        self.started = Instant::now();
        self.redraw(Some(&text::accepted(accepted)), &self.standing_lines());
    }

    fn step(&mut self, step: &StepProgress) {
        self.measure();
        let line = self.take(step);
        self.redraw(line.as_deref(), &self.standing_lines());
    }

    fn wait(&mut self, wait: &StepWait) {
        if wait.what == Awaited::Retry {
            // The attempt has ended, the step has not.
            self.done = self.done.saturating_sub(1);
        }
        self.open(&wait.path, Some(wait.clone()));
    }

    fn tick(&mut self) {
        self.frame += 1;
        self.measure();
        self.redraw(None, &self.standing_lines());
    }

    fn ended(&mut self, ended: &Ended) {
        self.redraw(Some(&text::ended(ended, self.style)), &[]);
        if ended.error.is_none() {
            report::value(&ended.output);
        }
    }

    fn left(&mut self, left: &Left) {
        self.redraw(Some(&text::left(left)), &[]);
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
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
    fn what_runs_or_waits_stands_below_until_it_ends() {
        let mut view = LiveView::new(false);
        assert_eq!(view.take(&progress("a", StepStatus::Running)), None);
        view.wait(&StepWait {
            path: "b".to_owned(),
            attempt: 1,
            attempts_max: 1,
            what: Awaited::Approval,
            ends_in_ms: None,
        });
        assert_eq!(view.take(&progress("b", StepStatus::Running)), None);
        let standing = view.standing_lines();
        assert!(standing[0].starts_with("… a ") && standing[1].starts_with("… b "), "{standing:?}");

        assert!(view.take(&progress("a", StepStatus::Completed)).is_some());

        let standing = view.standing_lines();
        assert!(standing[0].starts_with("… b ") && standing[0].contains("runs, "), "{standing:?}");
        assert!(standing[1].contains("1 step,"), "{standing:?}");
    }

    #[test]
    fn only_as_many_lines_stand_as_a_small_terminal_has() {
        let mut view = LiveView::new(false);
        for index in 0..100 {
            view.take(&progress(&format!("map[{index}]"), StepStatus::Running));
        }

        let lines = view.standing_lines();
        assert_eq!(lines.len(), STANDING_MAX + 2);
        assert_eq!(lines[STANDING_MAX], "… and 92 more");
    }
}
