//! The parts of a step: what an attempt did on its way, each durable before anything is done with it.
//!
//! An agent that takes many turns writes down each of them. Whoever runs the step next, be it the next attempt or
//! another worker, finds them and goes on behind the last.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Result;
use crate::{
    id::{ExecutionId, WorkerId},
    usage::Charge,
};

/// What kind of thing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// A model was asked, and this is its answer.
    Turn,
    /// A tool was called, and this is its result.
    Call,
    /// A server was asked which tools it has.
    Tools,
}

impl PartKind {
    /// The text form, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Call => "call",
            Self::Tools => "tools",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Turn, Self::Call, Self::Tools].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One part of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPart {
    /// Its name in the step: the same whenever the step is run again.
    pub key: String,
    /// What was done.
    pub kind: PartKind,
    /// What came of it.
    pub data: Value,
}

impl StepPart {
    /// The members of a part's data that say what was done, without what was said.
    pub const SUMMARY: [&str; 6] = ["provider", "model", "tool", "usage", "error", "duration_ms"];

    /// A text of its summary, such as `model` or `tool`.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }

    /// The code of the error that it ended with.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.data.pointer("/error/code")?.as_str()
    }

    /// How many tokens a model read, and how many it wrote.
    #[must_use]
    pub fn tokens(&self) -> (Option<u64>, Option<u64>) {
        let number = |pointer: &str| self.data.pointer(pointer).and_then(Value::as_u64);
        (number("/usage/input_tokens"), number("/usage/output_tokens"))
    }

    /// How long it took, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        self.data.get("duration_ms")?.as_u64()
    }
}

/// A part as it stands among those of its execution, for who looks on.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRecord {
    /// Its place in the order in which the parts of the execution were recorded; there may be gaps.
    pub seq: u64,
    /// The path of the step.
    pub path: String,
    /// The part. Of its data there are the members of [`StepPart::SUMMARY`] alone.
    pub part: StepPart,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Which step of which execution.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepPlace {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The path of the step.
    pub path: String,
}

/// What became of a part that was to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum PartOutcome {
    /// This is durable under the part's key now: the part itself, or what was recorded under it before.
    Stands(Value),
    /// The worker is marked dead, and nothing was written: drop everything and stop.
    Fenced,
    /// The worker does not own the execution, and nothing was written.
    NotOwned,
}

/// Keeps the parts of steps.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PartJournal: Send + Sync {
    /// The parts of a step, in the order in which they were recorded.
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>>;

    /// Records a part, and what it is charged if it was a turn of a model; settles what was reserved for it.
    ///
    /// MUST write nothing for a worker that is marked dead or does not own the execution. MUST leave what stands under
    /// the key as it is and return it, so that whoever comes second goes on with what came first, and a record of
    /// unknown outcome can be sent again. MUST charge a part once, with its record.
    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome>;
}
