//! How answers and failures are printed.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use serde_json::{Value, json};
use turbocat_application::Error;
use turbocat_client::{FieldError, Problem};

use crate::{advice, desk::RefusedDocuments, view};

/// Whether something that was to be printed is lost.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output. Who stops reading has read enough; any other failure is told of once, and
/// [`is_complete`] says so.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.as_ref()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe && !IS_LOST.swap(true, Ordering::Relaxed) => {
            note(format!("error: standard output cannot be written to: {error}"));
        }
        _ => {}
    }
}

/// Whether all that was printed has reached standard output.
pub(crate) fn is_complete() -> bool {
    !IS_LOST.load(Ordering::Relaxed)
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value).unwrap_or_default());
}

/// Prints a value: on a terminal as YAML, in which texts of several lines can be read, and elsewhere as JSON.
pub(crate) fn value(value: &Value) {
    if io::stdout().is_terminal()
        && let Some(yaml) = view::yaml(value)
    {
        return line(yaml.trim_end());
    }
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Tells of something that is under way, to standard error.
pub(crate) fn note(text: impl AsRef<str>) {
    let mut out = io::stderr().lock();
    let _nobody_reads = writeln!(out, "{}", text.as_ref());
}

/// Tells why a command failed: every problem on a line of its own, each cause once, and what to do about it.
pub(crate) fn failure(error: &anyhow::Error, json: bool) {
    let advice = advice::on(error);
    if json {
        json_line(&json!({ "error": message(error), "problems": problems(error), "advice": advice }));
        return;
    }
    if let Some(Error::Documents(located)) = error.downcast_ref() {
        for problem in located {
            note(problem.to_string());
        }
    }
    if let Some(Error::Invalid(invalid)) = error.downcast_ref() {
        for problem in invalid {
            note(problem.to_string());
        }
    }
    if let Some(RefusedDocuments(located)) = error.downcast_ref() {
        for problem in located {
            note(problem.to_string());
        }
    }
    for problem in refused(error) {
        note(problem.to_string());
    }
    note(format!("error: {}", message(error)));
    if let Some(advice) = advice {
        note(format!("  → {advice}"));
    }
}

/// The error and its causes, without those that say the same again.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = in_own_words(&cause);
        if message.contains(cause) || message.contains(without_line(cause)) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(cause);
    }
    message
}

/// What the database or the network said, without what the driver puts around it.
fn in_own_words(cause: &str) -> &str {
    const REFUSED: &str = "error returned from database: ";
    const LOST: &str = "error communicating with database: ";
    match cause.split_once(REFUSED) {
        Some((_, said)) => without_line(said),
        None => cause.split_once(LOST).map_or(cause, |(_, said)| said),
    }
}

/// Without the line of the server's source on which something was said.
fn without_line(said: &str) -> &str {
    match said.rsplit_once(" at line ") {
        Some((words, line)) if line.bytes().all(|byte| byte.is_ascii_digit()) => words,
        _ => said,
    }
}

fn problems(error: &anyhow::Error) -> Value {
    match error.downcast_ref() {
        Some(Error::Documents(located)) => json!(located),
        Some(Error::Input(input)) => input
            .problems
            .iter()
            .map(|problem| json!({ "pointer": problem.pointer, "message": problem.message }))
            .collect(),
        Some(Error::Invalid(invalid)) => json!(invalid),
        _ => match error.downcast_ref() {
            Some(RefusedDocuments(located)) => json!(located),
            None => json!(refused(error)),
        },
    }
}

/// The values that a server found wrong.
fn refused(error: &anyhow::Error) -> &[FieldError] {
    let refusal = error.downcast_ref::<turbocat_client::Error>();
    refusal.and_then(turbocat_client::Error::problem).map(Problem::errors).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_that_its_error_names_already_is_not_said_twice() {
        let error =
            Err::<(), _>(io::Error::other("refused")).context("no database: refused").context("up").unwrap_err();

        assert_eq!(message(&error), "up: no database: refused");
    }

    #[test]
    fn the_words_of_the_server_are_enough() {
        let said = |text: &'static str| message(&anyhow::anyhow!(text));

        assert_eq!(said("Connection Error: error returned from database: no such role at line 768"), "no such role");
        assert_eq!(said("error returned from database: syntax error at line two"), "syntax error at line two");
        let twice = anyhow::anyhow!("no such role at line 768")
            .context("error returned from database: no such role at line 768");
        assert_eq!(message(&twice), "no such role");
        assert_eq!(said("error communicating with database: Connection refused"), "Connection refused");
    }
}
