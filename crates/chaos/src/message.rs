//! What the parent asks of its processes and what they answer: one JSON object a line, on their standard streams.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::evidence::Order;

/// The line with which a process says that it can be asked.
pub(crate) const READY: &str = "ready";

/// A question and its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back with the answer.
    pub(crate) number: u64,
    /// What is wanted.
    pub(crate) wish: Wish,
}

/// What a process is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Accepts an execution. May be repeated.
    Accept(Box<Order>),
    /// Asks for an execution to be cancelled. May be repeated.
    Cancel(Uuid),
    /// Stores an event. May be repeated with the same id.
    Publish(Event),
    /// Keeps the commits of the journal that come from now on, for as long as that is true.
    Hold(bool),
    /// Stops in order.
    Drain,
}

/// An event to be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Its id: the same however often it is sent.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// Its payload.
    pub(crate) payload: Value,
    /// The only execution and path that it is for.
    pub(crate) target: Option<(Uuid, String)>,
}

/// An answer, with the number of its question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The number of the question.
    pub(crate) number: u64,
    /// The answer.
    pub(crate) answer: Answer,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It is done, and durable.
    Done,
    /// It came too late: the execution had ended.
    TooLate,
    /// Nobody knows: it is to be asked again.
    Unknown(String),
    /// It will never be done.
    Refused(String),
}
