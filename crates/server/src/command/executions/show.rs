//! One execution as a whole: how it came to be, what its steps did, and how it ended.

use serde_json::{Map, Value, json};
use turbocat_client::{Execution, Part, Step, StepStatus};

use crate::{report, view};

/// How many characters of an input and of an output of a step are shown; `--json` has all of it.
const INPUT_CHARS_MAX: usize = 200;
const OUTPUT_CHARS_MAX: usize = 60;

/// What is known about an execution.
pub(super) struct Shown {
    pub(super) execution: Execution,
    /// The name and version of its workflow.
    pub(super) workflow: String,
    pub(super) steps: Vec<Step>,
    /// The turns of models and calls of tools of its steps.
    pub(super) parts: Vec<Part>,
}

impl Shown {
    /// For programs: everything, as one object.
    pub(super) fn json(self) -> Value {
        let mut shown = described(&self.execution);
        shown.insert("workflow".to_owned(), self.workflow.into());
        shown.insert("input".to_owned(), self.execution.input);
        shown.insert("output".to_owned(), self.execution.output);
        shown.insert("trigger_data".to_owned(), self.execution.trigger_data);
        shown.insert("steps".to_owned(), self.steps.iter().map(described_step).collect());
        shown.insert("parts".to_owned(), json!(self.parts));
        shown.into()
    }

    /// For people.
    pub(super) fn print(&self) {
        let execution = &self.execution;
        report::line(format!("{}  {}", execution.id, execution.status));
        for (name, text) in self.facts() {
            report::line(format!("{name:<9} {text}"));
        }
        let rows: Vec<_> = self.steps.iter().map(|step| self.row(step)).collect();
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
                report::value(&execution.output);
            }
            None if execution.paused_at.is_some() => {
                report::line(format!("it is paused; to let it go on: turbocat executions resume {}", execution.id));
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
        if let (Some(parent), Some(path)) = (&execution.parent_id, &execution.parent_path) {
            facts.push(("parent", format!("{parent} at `{path}`")));
        }
        if let Some(paused_at) = execution.paused_at {
            let reason = execution.pause_reason.as_deref().map(view::harmless);
            facts.push(("paused", reason.map_or_else(|| at(paused_at), |why| format!("{}: {why}", at(paused_at)))));
        }
        facts.push(("input", view::brief(&execution.input, INPUT_CHARS_MAX)));
        facts
    }

    fn row(&self, step: &Step) -> Vec<String> {
        let began = (step.started_at - self.execution.created_at).num_milliseconds();
        let took = step.ended_at.map(|ended_at| (ended_at - step.started_at).num_milliseconds());
        let duration = |ms: i64| view::duration(u64::try_from(ms).unwrap_or_default());
        let note = match (step.failure(), &step.skip_reason) {
            (Some(error), _) => view::harmless(&error.to_string()).into_owned(),
            (None, Some(reason)) => reason.clone(),
            (None, None) if step.status == StepStatus::Completed => view::brief(&step.output, OUTPUT_CHARS_MAX),
            (None, None) => String::new(),
        };
        vec![
            duration(began),
            step.path.clone(),
            step.attempt.to_string(),
            step.status.to_string(),
            took.map_or_else(|| "-".to_owned(), duration),
            note,
        ]
    }
}

/// A turn or call: whose, what it is, what it cost.
fn part_row(part: &Part) -> Vec<String> {
    let of = part.model.as_deref().or(part.tool.as_deref()).unwrap_or("-");
    let tokens = match (part.input_tokens, part.output_tokens) {
        (Some(read), Some(written)) => format!("{read} + {written}"),
        _ => "-".to_owned(),
    };
    vec![
        view::harmless(&part.path).into_owned(),
        view::harmless(&part.key).into_owned(),
        view::harmless(of).into_owned(),
        tokens,
        part.duration_ms.map_or_else(|| "-".to_owned(), view::duration),
        part.error_code.as_deref().map_or_else(String::new, |code| format!("failed: {}", view::harmless(code))),
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
        "error_at": execution.error_path,
        "paused_at": execution.paused_at,
        "pause_reason": execution.pause_reason,
        "parent": execution.parent_id.map(|parent| parent.to_string()),
    });
    described.as_object().cloned().unwrap_or_default()
}

fn described_step(step: &Step) -> Value {
    json!({
        "path": step.path, "attempt": step.attempt, "status": step.status, "output": step.output,
        "error": step.error, "reason": step.skip_reason, "started_at": step.started_at, "ended_at": step.ended_at,
    })
}
