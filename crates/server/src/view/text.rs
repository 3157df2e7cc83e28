//! What the views for people say.

use std::fmt::Write;

use turbocat_domain::{execution::ExecutionStatus, execution_log::StepStatus};
use turbocat_engine::StepProgress;

use super::{Accepted, Ended, Steps};

/// How wide the column of paths is, at least.
const PATH_WIDTH: usize = 32;

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";

pub(super) fn accepted(accepted: &Accepted) -> String {
    format!("{} runs as {}", accepted.workflow, accepted.id)
}

/// One line for an attempt: mark, path, how long it took, and why it failed.
pub(super) fn step(step: &StepProgress, colour: bool) -> String {
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
    let mut line = format!("{} {:<PATH_WIDTH$} {took:>8}", paint(mark, code, colour), step.path);
    if step.attempt > 1 {
        let _infallible = write!(line, "  attempt {}", step.attempt);
    }
    if let Some(error) = &step.error {
        let _infallible = write!(line, "  {}", paint(&error.to_string(), code, colour));
    }
    line
}

/// The line under all steps, and the error under it.
pub(super) fn ended(ended: &Ended, colour: bool) -> String {
    let code = if ended.status == ExecutionStatus::Completed { GREEN } else { RED };
    let Steps { completed, failed, total } = ended.steps;
    let skipped = match total.saturating_sub(completed).saturating_sub(failed) {
        0 => String::new(),
        count => format!(" ({count} skipped)"),
    };
    let mut text = format!(
        "{} in {}, {completed} of {total} steps{skipped}, {}",
        paint(ended.status.as_str(), code, colour),
        duration(ended.duration_ms),
        ended.id
    );
    if let Some(error) = &ended.error {
        let place = error.origin.as_deref().map(|path| format!(" at `{path}`")).unwrap_or_default();
        let _infallible = write!(text, "\nerror{place}: {error}");
    }
    text
}

/// A time for people: `340 ms`, `2.1 s`, `3 min 4 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
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

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turbocat_domain::{id::ExecutionId, step_run::StepError};
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

    #[test]
    fn a_step_is_a_line_with_its_path_time_attempt_and_error() {
        let failed =
            StepProgress { error: Some(StepError::transient("timeout", "too slow")), ..progress(StepStatus::Failed) };

        assert_eq!(step(&failed, false), "✗ collect[3].fetch                    41 ms  attempt 2  timeout: too slow");
        assert!(step(&progress(StepStatus::Completed), true).starts_with("\x1b[32m✓\x1b[0m "));
        let running = StepProgress { duration_ms: None, attempt: 1, ..progress(StepStatus::Running) };
        assert_eq!(step(&running, false), "… collect[3].fetch                  running");
    }

    #[test]
    fn an_end_names_the_step_that_failed_first() {
        let error = StepError { origin: Some("a.b".to_owned()), ..StepError::permanent("no", "never") };
        let failed = Ended {
            id: ExecutionId::from_uuid(Uuid::nil()),
            status: ExecutionStatus::Failed,
            output: json!(null),
            error: Some(error),
            steps: Steps { completed: 1, failed: 1, total: 3 },
            duration_ms: 2_150,
        };

        let text = ended(&failed, false);

        assert_eq!(
            text,
            "failed in 2.1 s, 1 of 3 steps (1 skipped), exe_00000000000000000000000000000000\nerror at `a.b`: no: never"
        );
    }

    #[test]
    fn a_time_is_given_in_the_unit_that_fits() {
        assert_eq!(
            [duration(0), duration(999), duration(59_999), duration(184_000)],
            ["0 ms", "999 ms", "59.9 s", "3 min 4 s"]
        );
    }

    #[test]
    fn a_table_has_columns_as_wide_as_they_must_be() {
        let rows = [vec!["a".to_owned(), "long one".to_owned()], vec!["bcd".to_owned(), "x".to_owned()]];

        assert_eq!(table(&["id", "name"], &rows), "id   name\na    long one\nbcd  x");
    }
}
