//! The line of an execution's log that tells of the end of a step, made here because the database takes longer for it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use turbocat_domain::step_run::{StepOutcome, StepRecord};
use uuid::Uuid;

/// The longest message of an error in a line, in characters.
const MESSAGE_CHARS_MAX: usize = 4_000;

/// A row of `execution_logs`, as far as it does not repeat the record.
pub(super) struct Line<'a> {
    pub(super) id: Uuid,
    /// The key of the step, without the path of its containers.
    pub(super) step_key: &'a str,
    pub(super) duration_ms: i32,
    pub(super) message: String,
    /// JSON. What a column says is not said again.
    pub(super) metadata: String,
}

impl<'a> Line<'a> {
    /// The line about a record.
    pub(super) fn of(record: &'a StepRecord) -> Self {
        let step_key = key_of(&record.path);
        let duration_ms = milliseconds(record.started_at, record.ended_at.unwrap_or(record.started_at));
        let path = &record.path;
        let mut metadata = Map::new();
        if path != step_key {
            metadata.insert("path".to_owned(), path.as_str().into());
        }
        if record.attempt != 1 {
            metadata.insert("attempt".to_owned(), record.attempt.into());
        }
        let message = match &record.outcome {
            StepOutcome::Running => String::new(),
            StepOutcome::Completed(_) => format!("step `{path}` completed in {duration_ms} ms"),
            StepOutcome::Failed(error) => {
                metadata.insert("error_code".to_owned(), error.code.as_str().into());
                let message: String = error.message.chars().take(MESSAGE_CHARS_MAX).collect();
                format!("step `{path}` failed after {duration_ms} ms: {}: {message}", error.code)
            }
            StepOutcome::Skipped(reason) => {
                metadata.insert("reason".to_owned(), reason.as_str().into());
                format!("step `{path}` was skipped: {}", reason.as_str())
            }
        };
        Self { id: id_of(record), step_key, duration_ms, message, metadata: Value::Object(metadata).to_string() }
    }
}

/// A UUID of version 7 with the time of the end, and in place of chance a hash of what the line is about: a batch that
/// is committed twice has the same lines.
fn id_of(record: &StepRecord) -> Uuid {
    let ended_at = record.ended_at.unwrap_or(record.started_at);
    let millis = u64::try_from(ended_at.timestamp_millis()).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(record.execution_id.as_uuid());
    hash.update(record.path.as_bytes());
    hash.update(record.attempt.to_be_bytes());
    let mut chance = [0; 10];
    for (to, from) in chance.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid()
}

/// The last key of a path: `one` of `each[2].one`.
fn key_of(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.split('[').next().unwrap_or(last)
}

/// How long something took, as it is stored: not less than nothing, and no more than the column holds.
pub(super) fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> i32 {
    i32::try_from((to - from).num_milliseconds().max(0)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;
    use turbocat_domain::{
        id::ExecutionId,
        step_run::{SkipReason, StepError},
    };

    use super::*;

    fn record(path: &str, attempt: u16, outcome: StepOutcome) -> StepRecord {
        StepRecord {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(1)),
            path: path.to_owned(),
            attempt,
            seq: 0,
            outcome,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: Some(DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_999)),
            workflow_step_id: None,
            agent_id: None,
        }
    }

    #[test]
    fn a_line_says_what_happened_and_repeats_no_column() {
        let told = |record: StepRecord| {
            let line = Line::of(&record);
            (line.step_key.to_owned(), line.message, line.metadata)
        };
        let failed = StepOutcome::Failed(StepError::permanent("bad", "x".repeat(5_000)));

        assert_eq!(
            told(record("a", 1, StepOutcome::Completed(json!(1)))),
            ("a".to_owned(), "step `a` completed in 1 ms".to_owned(), "{}".to_owned())
        );
        assert_eq!(
            told(record("each[2].b", 3, StepOutcome::Skipped(SkipReason::IfFalse))),
            (
                "b".to_owned(),
                "step `each[2].b` was skipped: if_false".to_owned(),
                r#"{"attempt":3,"path":"each[2].b","reason":"if_false"}"#.to_owned()
            )
        );
        let (_, message, metadata) = told(record("a", 1, failed));
        assert!(message.starts_with("step `a` failed after 1 ms: bad: xxx") && message.len() < 4_100);
        assert_eq!(metadata, r#"{"error_code":"bad"}"#);
    }

    #[test]
    fn the_id_of_a_line_is_that_of_what_it_is_about() {
        let id = |path, attempt, outcome| Line::of(&record(path, attempt, outcome)).id;
        let first = id("a", 1, StepOutcome::Completed(json!(1)));

        assert_eq!(first, id("a", 1, StepOutcome::Completed(json!(2))));
        assert_ne!(first, id("a", 2, StepOutcome::Completed(json!(1))));
        assert_ne!(first, id("b", 1, StepOutcome::Completed(json!(1))));
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.get_timestamp().map(|at| at.to_unix()), Some((0, 1_000_000)));
    }

    #[test]
    fn a_duration_stays_in_its_column() {
        let at = |ms| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms);

        assert_eq!(milliseconds(at(0), at(5)), 5);
        assert_eq!(milliseconds(at(5), at(0)), 0);
        assert_eq!(milliseconds(at(0), at(i64::from(i32::MAX) + 1)), i32::MAX);
    }
}
