//! How answers and failures are printed.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};
use turbocat_application::Error;

/// Prints a line to standard output. Whoever stops reading is not waited for.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    let _nobody_reads = writeln!(out, "{}", text.as_ref());
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value).unwrap_or_default());
}

/// Prints a value for people: JSON, indented.
pub(crate) fn pretty(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Tells of something that is under way, to standard error.
pub(crate) fn note(text: impl AsRef<str>) {
    let mut out = io::stderr().lock();
    let _nobody_reads = writeln!(out, "{}", text.as_ref());
}

/// Tells why a command failed: every problem on a line of its own, and each cause once.
pub(crate) fn failure(error: &anyhow::Error, json: bool) {
    if json {
        json_line(&json!({ "error": message(error), "problems": problems(error) }));
        return;
    }
    if let Some(Error::Documents(located)) = error.downcast_ref() {
        for problem in located {
            note(problem.to_string());
        }
    }
    note(format!("error: {}", message(error)));
}

/// The error and its causes, without those that say the same again.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    message
}

fn problems(error: &anyhow::Error) -> Value {
    match error.downcast_ref() {
        Some(Error::Documents(located)) => json!(located),
        Some(Error::Input(input)) => input
            .problems
            .iter()
            .map(|problem| json!({ "pointer": problem.pointer, "message": problem.message }))
            .collect(),
        _ => json!([]),
    }
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
}
