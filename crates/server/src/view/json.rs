//! For programs: one JSON object a line, on standard output.

use serde_json::json;
use turbocat_engine::StepProgress;

use super::{Accepted, Ended, View};
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

    fn left(&mut self, reason: &str) {
        report::json_line(&json!({ "event": "left", "reason": reason }));
    }
}
