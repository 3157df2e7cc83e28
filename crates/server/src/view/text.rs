//! What the views for people say.

use std::{borrow::Cow, fmt::Write};

use serde_json::Value;
use turbocat_domain::{execution::ExecutionStatus, execution_log::StepStatus, step_run::StepError};
use turbocat_engine::{Awaited, StepProgress, StepWait};

use super::{Accepted, Ended, Left, Steps};
use crate::advice;

/// How wide the column of paths is where there is room.
const PATH_WIDTH: usize = 32;
/// What stands on a line beside the path: the mark, the time, and what is between them.
const BESIDE_PATH: usize = 11;

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// How lines look where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether they may be coloured.
    pub(crate) colour: bool,
    /// How many columns there are.
    pub(crate) width: usize,
}

impl Style {
    /// Without colours, and with room for everything.
    pub(crate) const PLAIN: Self = Self { colour: false, width: usize::MAX };

    fn path_width(self) -> usize {
        PATH_WIDTH.min(self.width.saturating_sub(BESIDE_PATH))
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

pub(super) fn accepted(accepted: &Accepted) -> String {
    format!("{} runs as {}", harmless(&accepted.workflow), accepted.id)
}

/// One line for an attempt: mark, path, how long it took, and why it failed.
pub(super) fn step(step: &StepProgress, style: Style) -> String {
    let (mark, code) = match step.status {
        StepStatus::Completed => ("✓", GREEN),
        StepStatus::Failed => ("✗", RED),
        StepStatus::Skipped => ("-", DIM),
        StepStatus::Pending | StepStatus::Running => ("…", YELLOW),
    };
    let took = match (step.status, step.duration_ms) {
        (StepStatus::Skipped, _) => "skipped".to_owned(),
        (_, Some(ms)) => duration(ms),
        (_, None) => "running".to_owned(),
    };
    let width = style.path_width();
    let mut line = format!("{} {:<width$} {took:>8}", style.paint(mark, code), step.path);
    if step.attempt > 1 {
        let _infallible = write!(line, "  attempt {}", step.attempt);
    }
    if let Some(error) = &step.error {
        let _infallible = write!(line, "  {}", style.paint(&harmless(&error.to_string()), code));
    }
    line
}

/// One line for a step that has not ended.
pub(super) fn standing(path: &str, what: &str, style: Style) -> String {
    let width = style.path_width();
    format!("{} {path:<width$}  {what}", style.paint("…", YELLOW))
}

/// What a step waits for, some time after it began to.
pub(super) fn awaited(wait: &StepWait, waited_ms: u64) -> String {
    let ends_in = wait.ends_in_ms.map(|ms| duration(ms.saturating_sub(waited_ms)));
    let at_most = ends_in.as_ref().map(|left| format!(", at most {left}")).unwrap_or_default();
    match (&wait.what, &ends_in) {
        (Awaited::Retry, left) => {
            let left = left.as_deref().unwrap_or("a moment");
            format!("attempt {} of {} in {left}", wait.attempt, wait.attempts_max)
        }
        (Awaited::Agent, _) => "waits for its agent, which runs max_concurrent_executions times".to_owned(),
        (Awaited::Resume, _) => "waits until the execution is resumed".to_owned(),
        (Awaited::Time, Some(left)) => format!("waits {left}"),
        (Awaited::Time, None) => "waits".to_owned(),
        (Awaited::Event(name), _) => format!("waits for the event `{}`{at_most}", harmless(name)),
        (Awaited::Approval, _) => format!("waits for an approval{at_most}"),
        (Awaited::Budget(why), _) => format!("waits for a budget: {}", harmless(why)),
    }
}

/// The line under all steps, and under it the error and what to do about it.
pub(super) fn ended(ended: &Ended, style: Style) -> String {
    let code = if ended.status == ExecutionStatus::Completed { GREEN } else { RED };
    let Steps { completed, failed, total } = ended.steps;
    let skipped = total.saturating_sub(completed).saturating_sub(failed);
    let others: Vec<_> = [(failed, "failed"), (skipped, "skipped")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let mut text = format!(
        "{} in {}, {completed} of {total} steps{others}, {}",
        style.paint(ended.status.as_str(), code),
        duration(ended.duration_ms),
        ended.id
    );
    if let Some(error) = &ended.error {
        let _infallible = write!(text, "\n{}", failure(error));
        let _infallible = write!(text, "\n  → all of it: turbocat executions show {}", ended.id);
    }
    text
}

/// Why an execution failed, where, and what to do about it if that is known.
pub(crate) fn failure(error: &StepError) -> String {
    let place = error.origin.as_deref().map(|path| format!(" at `{path}`")).unwrap_or_default();
    let advice = advice::on_step(&error.code).map(|advice| format!("\n  → {advice}")).unwrap_or_default();
    format!("error{place}: {}{advice}", harmless(&error.to_string()))
}

/// What becomes of an execution at which nobody looks on any more.
pub(super) fn left(left: &Left) -> String {
    let Left { id, on_server } = left;
    if *on_server {
        return format!(
            "interrupted; the server goes on with {id}:\n  → to wait for it: turbocat executions wait {id}\n  → to end \
             it:      turbocat executions cancel {id}"
        );
    }
    format!(
        "interrupted; nothing is lost. {id} is handed back (Ctrl-C again does not wait for the steps that run):\n  \
         → to go on with it: turbocat up\n  → to end it:        turbocat executions cancel {id}"
    )
}

/// Text of somebody else, without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
}

/// A value on one line, cut if it is longer than so many characters.
pub(crate) fn brief(value: &Value, chars_max: usize) -> String {
    let text = value.to_string();
    let text = harmless(&text);
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{} … ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.into_owned(),
    }
}

/// A time for people: `340 ms`, `2.1 s`, `3 min 4 s`, `5 h 2 min`, `3 d 4 h`.
pub(crate) fn duration(ms: u64) -> String {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{}.{} s", ms / SECOND, ms % SECOND / 100),
        MINUTE..HOUR => format!("{} min {} s", ms / MINUTE, ms % MINUTE / SECOND),
        HOUR..DAY => format!("{} h {} min", ms / HOUR, ms % HOUR / MINUTE),
        _ => format!("{} d {} h", ms / DAY, ms % DAY / HOUR),
    }
}

/// Rows under a head, each column as wide as its widest cell; the last one is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        cells.chain(head.get(column).copied()).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let lines = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(head.to_vec())).chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turbocat_domain::id::ExecutionId;
    use uuid::Uuid;

    use super::*;

    fn progress(status: StepStatus) -> StepProgress {
        StepProgress {
            execution_id: ExecutionId::from_uuid(Uuid::nil()),
            path: "collect[3].fetch".to_owned(),
            attempt: 2,
            status,
            duration_ms: Some(41),
            error: None,
        }
    }

    fn failed(error: StepError) -> Ended {
        Ended {
            id: ExecutionId::from_uuid(Uuid::nil()),
            status: ExecutionStatus::Failed,
            output: json!(null),
            error: Some(error),
            steps: Steps { completed: 1, failed: 1, total: 3 },
            duration_ms: 2_150,
        }
    }

    #[test]
    fn a_step_is_a_line_with_its_path_time_attempt_and_error() {
        let failed =
            StepProgress { error: Some(StepError::transient("timeout", "too slow")), ..progress(StepStatus::Failed) };

        let line = step(&failed, Style::PLAIN);
        assert_eq!(line, "✗ collect[3].fetch                    41 ms  attempt 2  timeout: too slow");
        let coloured = Style { colour: true, ..Style::PLAIN };
        assert!(step(&progress(StepStatus::Completed), coloured).starts_with("\x1b[32m✓\x1b[0m "));
        let running = StepProgress { duration_ms: None, attempt: 1, ..progress(StepStatus::Running) };
        assert_eq!(step(&running, Style::PLAIN), "… collect[3].fetch                  running");
    }

    #[test]
    fn a_line_fits_a_narrow_terminal() {
        let done = StepProgress { attempt: 1, ..progress(StepStatus::Completed) };
        let line = step(&done, Style { width: 40, ..Style::PLAIN });

        assert_eq!(line.chars().count(), 40, "{line}");
    }

    #[test]
    fn what_an_agent_says_cannot_command_the_terminal() {
        let error = StepError::permanent("code_failed", "\x1b]0;owned\x07\x1b[2Jgone\r\nnext");
        let failed = StepProgress { error: Some(error), ..progress(StepStatus::Failed) };

        let line = step(&failed, Style::PLAIN);
        assert!(!line.contains(['\x1b', '\x07', '\r']) && line.contains("gone"), "{line:?}");
    }

    #[test]
    fn a_wait_says_for_what_and_how_long() {
        let wait = StepWait {
            path: "call".to_owned(),
            attempt: 2,
            attempts_max: 4,
            what: Awaited::Retry,
            ends_in_ms: Some(1_500),
        };
        let shown = |what, ends_in_ms| awaited(&StepWait { what, ends_in_ms, ..wait.clone() }, 500);

        assert_eq!(awaited(&wait, 500), "attempt 2 of 4 in 1.0 s");
        assert_eq!(shown(Awaited::Time, Some(0)), "waits 0 ms");
        assert_eq!(shown(Awaited::Event("paid".to_owned()), None), "waits for the event `paid`");
        assert_eq!(shown(Awaited::Approval, Some(7_200_500)), "waits for an approval, at most 2 h 0 min");
    }

    #[test]
    fn an_end_names_the_step_that_failed_first_and_what_to_do() {
        let error = StepError { origin: Some("a.b".to_owned()), ..StepError::permanent("out_of_memory", "too much") };

        let text = ended(&failed(error), Style::PLAIN);

        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "failed in 2.1 s, 1 of 3 steps (1 failed, 1 skipped), exe_00000000000000000000000000000000",
                "error at `a.b`: out_of_memory: too much",
                "  → give it more memory: `max_memory_mb` of the agent",
                "  → all of it: turbocat executions show exe_00000000000000000000000000000000",
            ]
        );
    }

    #[test]
    fn a_time_is_given_in_the_unit_that_fits() {
        let times = [0, 999, 59_999, 184_000, 18_120_000, 273_600_000].map(duration);

        assert_eq!(times, ["0 ms", "999 ms", "59.9 s", "3 min 4 s", "5 h 2 min", "3 d 4 h"]);
    }

    #[test]
    fn a_long_value_is_cut_and_says_how_long_it_is() {
        assert_eq!(brief(&json!({ "a": 1 }), 20), r#"{"a":1}"#);
        assert_eq!(brief(&json!("ä".repeat(50)), 3), "\"ää … (102 bytes)");
    }

    #[test]
    fn a_table_has_columns_as_wide_as_they_must_be() {
        let rows = [vec!["a".to_owned(), "long one".to_owned()], vec!["bcd".to_owned(), "x".to_owned()]];

        assert_eq!(table(&["id", "name"], &rows), "id   name\na    long one\nbcd  x");
    }
}
