//! What a child tells its host: lines of log while it runs, one answer at the end.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use turbocat_domain::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX};

use super::Answer;

/// How bad a line of log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// For who wrote the program.
    Debug,
    Info,
    Warn,
    Error,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// One message of a child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// A line that the program printed.
    Log {
        /// How bad it is.
        level: Level,
        /// The line.
        text: String,
    },
    /// The answer; the last message.
    Result(Box<RawValue>),
    /// That there is no answer; the last message.
    Failed(Failure),
}

/// What the mark of a line that was cut takes.
const MARK_BYTES: usize = 64;

static LINES: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Passes a line on to the host, cut to its limit; lines past the limit of an attempt are only counted.
pub(crate) fn log(level: Level, text: &str) {
    let cut = cut(text, LOG_LINE_BYTES_MAX - MARK_BYTES);
    let lines = LINES.fetch_add(1, Ordering::Relaxed);
    let bytes = BYTES.fetch_add(cut.len(), Ordering::Relaxed);
    if lines >= LOG_LINES_MAX || bytes >= LOG_BYTES_MAX {
        return;
    }
    let text = if cut.len() < text.len() { format!("{cut}… ({} bytes in all)", text.len()) } else { cut.to_owned() };
    // A host that no longer listens is about to end this process.
    let _ignored = send(&Message::Log { level, text });
}

/// Sends the answer, after a line that tells how much of the log was dropped.
pub(crate) fn finish(answer: Answer) -> io::Result<()> {
    let dropped = LINES.load(Ordering::Relaxed).saturating_sub(LOG_LINES_MAX);
    if dropped > 0 {
        let text = format!("{dropped} more lines were dropped: an attempt may print {LOG_LINES_MAX}");
        send(&Message::Log { level: Level::Warn, text })?;
    } else if BYTES.load(Ordering::Relaxed) > LOG_BYTES_MAX {
        let text = format!("some lines were dropped: an attempt may print {LOG_BYTES_MAX} bytes");
        send(&Message::Log { level: Level::Warn, text })?;
    }
    send(&answer.map_or_else(Message::Failed, Message::Result))
}

/// An answer from a value of our own.
pub(crate) fn to_answer(value: &(impl Serialize + ?Sized)) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| Failure::new("invalid_output", error.to_string()))
}

fn send(message: &Message) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut output = io::stdout().lock();
    output.write_all(&length.to_le_bytes())?;
    output.write_all(&body)?;
    output.flush()
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
