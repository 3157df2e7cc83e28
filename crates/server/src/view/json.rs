//! For programs: one JSON object a line, on standard output.

use serde_json::json;
use turbocat_engine::{Awaited, StepProgress, StepWait};

use super::{Accepted, Ended, Left, View};
use crate::report;

/// Writes each event as an object with the member `event`.
#[derive(Debug)]
pub(super) struct JsonView;

impl View for JsonView {
    fn accepted(&mut self, accepted: &Accepted) {
        report::json_line(&json!({
            "event": "accepted",
            "execution": accepted.id.to_string(),
            "workflow": accepted.workflow,
        }));
    }

    fn step(&mut self, step: &StepProgress) {
        report::json_line(&json!({
            "event": "step",
            "path": step.path,
            "attempt": step.attempt,
            "status": step.status,
            "duration_ms": step.duration_ms,
            "error": step.error,
        }));
    }

    fn wait(&mut self, wait: &StepWait) {
        let (what, name) = match &wait.what {
            Awaited::Retry => ("retry", None),
            Awaited::Agent => ("agent", None),
            Awaited::Resume => ("resume", None),
            Awaited::Time => ("time", None),
            Awaited::Approval => ("approval", None),
            Awaited::Event(name) => ("event", Some(name)),
            Awaited::Budget(why) => ("budget", Some(why)),
        };
        report::json_line(&json!({
            "event": "wait",
            "path": wait.path,
            "attempt": wait.attempt,
            "attempts_max": wait.attempts_max,
            "for": what,
            "name": name,
            "ends_in_ms": wait.ends_in_ms,
        }));
    }

    fn ended(&mut self, ended: &Ended) {
        report::json_line(&json!({
            "event": "ended",
            "execution": ended.id.to_string(),
            "status": ended.status,
            "output": ended.output,
            "error": ended.error,
            "steps_completed": ended.steps.completed,
            "steps_failed": ended.steps.failed,
            "steps_total": ended.steps.total,
            "duration_ms": ended.duration_ms,
        }));
    }

    fn left(&mut self, left: &Left) {
        report::json_line(&json!({ "event": "left", "execution": left.id.to_string() }));
    }
}
