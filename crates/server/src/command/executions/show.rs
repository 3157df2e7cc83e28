//! One execution as a whole: how it came to be, what its steps did, and how it ended.

use serde_json::{Map, Value, json};
use turbocat_domain::{
    execution::Execution,
    port::PartRecord,
    step_run::{StepOutcome, StepRecord},
};

use crate::{report, view};

/// How many characters of an input and of an output of a step are shown; `--json` has all of it.
const INPUT_CHARS_MAX: usize = 200;
const OUTPUT_CHARS_MAX: usize = 60;

/// What is known about an execution.
pub(super) struct Shown {
    pub(super) execution: Execution,
    /// The name and version of its workflow.
    pub(super) workflow: String,
    pub(super) records: Vec<StepRecord>,
    /// The turns of models and calls of tools of its steps.
    pub(super) parts: Vec<PartRecord>,
}

impl Shown {
    /// For programs: everything, as one object.
    pub(super) fn json(self) -> Value {
        let mut shown = described(&self.execution);
        shown.insert("workflow".to_owned(), self.workflow.into());
        shown.insert("input".to_owned(), self.execution.input_data);
        shown.insert("output".to_owned(), self.execution.output_data);
        shown.insert("trigger_data".to_owned(), self.execution.trigger_data);
        shown.insert("steps".to_owned(), self.records.iter().map(described_step).collect());
        shown.insert("parts".to_owned(), self.parts.iter().map(described_part).collect());
        shown.into()
    }

    /// For people.
    pub(super) fn print(&self) {
        let execution = &self.execution;
        report::line(format!("{}  {}", execution.id, execution.status));
        for (name, text) in self.facts() {
            report::line(format!("{name:<9} {text}"));
        }
        let rows: Vec<_> = self.records.iter().map(|record| self.row(record)).collect();
        report::line("");
        report::line(view::table(&["after", "step", "attempt", "status", "took", ""], &rows));
        report::line("");
        if !self.parts.is_empty() {
            let rows: Vec<_> = self.parts.iter().map(part_row).collect();
            report::line(view::table(&["step", "turn or call", "of", "tokens", "took", ""], &rows));
            report::line("");
        }
        match view::error_of(execution) {
            Some(error) => report::line(view::failure(&error)),
            None if execution.status.is_terminal() => {
                report::line("output");
                report::value(&execution.output_data);
            }
            None => report::line(format!("it has not ended; to end it: turbocat executions cancel {}", execution.id)),
        }
        report::line(format!("\nwhat its steps said: turbocat executions logs {}", execution.id));
    }

    /// What stands above the steps.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let execution = &self.execution;
        let at = |time: chrono::DateTime<chrono::Utc>| format!("{} UTC", time.format("%Y-%m-%d %H:%M:%S"));
        let known = |key| execution.trigger_data.get(key).and_then(Value::as_str);
        let source = known("source").or_else(|| known("scheduled_for"));
        let source = source.map(|source| format!(", {}", view::harmless(source))).unwrap_or_default();
        let mut facts = vec![
            ("workflow", self.workflow.clone()),
            ("trigger", format!("{}{source}", execution.trigger_type)),
            ("accepted", at(execution.created_at)),
        ];
        if let Some(ended_at) = execution.completed_at {
            facts.push(("ended", format!("{}, took {}", at(ended_at), took(execution))));
        }
        if let Some((parent, path)) = &execution.parent {
            facts.push(("parent", format!("{parent} at `{path}`")));
        }
        facts.push(("input", view::brief(&execution.input_data, INPUT_CHARS_MAX)));
        facts
    }

    fn row(&self, record: &StepRecord) -> Vec<String> {
        let began = (record.started_at - self.execution.created_at).num_milliseconds();
        let took = record.ended_at.map(|ended_at| (ended_at - record.started_at).num_milliseconds());
        let duration = |ms: i64| view::duration(u64::try_from(ms).unwrap_or_default());
        let note = match &record.outcome {
            StepOutcome::Failed(error) => view::harmless(&error.to_string()).into_owned(),
            StepOutcome::Skipped(reason) => reason.as_str().to_owned(),
            StepOutcome::Completed(output) => view::brief(output, OUTPUT_CHARS_MAX),
            StepOutcome::Running => String::new(),
        };
        vec![
            duration(began),
            record.path.clone(),
            record.attempt.to_string(),
            record.outcome.status().to_string(),
            took.map_or_else(|| "-".to_owned(), duration),
            note,
        ]
    }
}

/// A turn or call: whose, what it is, what it cost.
fn part_row(record: &PartRecord) -> Vec<String> {
    let part = &record.part;
    let of = part.word("model").or_else(|| part.word("tool")).unwrap_or("-");
    let tokens = match part.tokens() {
        (Some(read), Some(written)) => format!("{read} + {written}"),
        _ => "-".to_owned(),
    };
    vec![
        view::harmless(&record.path).into_owned(),
        view::harmless(&part.key).into_owned(),
        view::harmless(of).into_owned(),
        tokens,
        part.duration_ms().map_or_else(|| "-".to_owned(), view::duration),
        part.error_code().map_or_else(String::new, |code| format!("failed: {}", view::harmless(code))),
    ]
}

/// How long an execution took.
pub(super) fn took(execution: &Execution) -> String {
    execution.duration_ms.map_or_else(|| "-".to_owned(), |ms| view::duration(u64::from(ms)))
}

/// An execution without its data, for programs.
pub(super) fn described(execution: &Execution) -> Map<String, Value> {
    let described = json!({
        "execution": execution.id.to_string(),
        "workflow_id": execution.workflow_id.to_string(),
        "status": execution.status,
        "trigger": execution.trigger_type,
        "steps_completed": execution.steps_completed,
        "steps_failed": execution.steps_failed,
        "steps_total": execution.steps_total,
        "duration_ms": execution.duration_ms,
        "accepted_at": execution.created_at,
        "started_at": execution.started_at,
        "completed_at": execution.completed_at,
        "error": execution.error_message,
        "error_code": execution.error_code,
        "error_at": execution.error_stack,
        "parent": execution.parent.as_ref().map(|(parent, _)| parent.to_string()),
    });
    described.as_object().cloned().unwrap_or_default()
}

/// A turn or call for programs: as the API shows it.
fn described_part(record: &PartRecord) -> Value {
    let data = &record.part.data;
    let error = data.get("error");
    json!({
        "seq": record.seq, "path": record.path, "key": record.part.key, "kind": record.part.kind.as_str(),
        "state": if error.is_some() { "failed" } else { "done" }, "error": error, "provider": data.get("provider"),
        "model": data.get("model"), "tool": data.get("tool"), "input_tokens": data.pointer("/usage/input_tokens"),
        "output_tokens": data.pointer("/usage/output_tokens"), "duration_ms": data.get("duration_ms"),
        "recorded_at": record.recorded_at,
    })
}

fn described_step(record: &StepRecord) -> Value {
    let (output, error, reason) = match &record.outcome {
        StepOutcome::Completed(output) => (Some(output), None, None),
        StepOutcome::Failed(error) => (None, Some(error), None),
        StepOutcome::Skipped(reason) => (None, None, Some(reason)),
        StepOutcome::Running => (None, None, None),
    };
    json!({
        "path": record.path, "attempt": record.attempt, "status": record.outcome.status(), "output": output,
        "error": error, "reason": reason, "started_at": record.started_at, "ended_at": record.ended_at,
    })
}
