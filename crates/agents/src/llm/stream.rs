//! Answers that come in pieces: read as they come, shown in the log of the execution, and put together at their end.

use serde_json::Value;
use turbocat_domain::{execution_log::LogLevel, port::LogSink};

use super::provider::Dialect;

/// A piece of a line is shown when it is longer than this, in bytes.
const PIECE_BYTES: usize = 240;

/// A stream of server-sent events that is being read.
pub(super) struct Stream<'a> {
    dialect: &'a dyn Dialect,
    log: &'a dyn LogSink,
    /// What came after the last end of a line.
    rest: Vec<u8>,
    /// The data of the event that is being read.
    data: String,
    events: Vec<Value>,
    /// What was said and is not shown yet.
    said: String,
}

impl<'a> Stream<'a> {
    pub(super) const fn new(dialect: &'a dyn Dialect, log: &'a dyn LogSink) -> Self {
        Self { dialect, log, rest: Vec::new(), data: String::new(), events: Vec::new(), said: String::new() }
    }

    /// Takes in what has come.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        // Up to there no line ends: a long one is not looked through again with each piece of it.
        let mut known = self.rest.len();
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().skip(known).position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=known + end).collect();
            known = 0;
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']));
        }
    }

    /// The events, at the end of the stream. The last may lack the empty line behind it.
    pub(super) fn end(mut self) -> Vec<Value> {
        let rest = std::mem::take(&mut self.rest);
        self.line(String::from_utf8_lossy(&rest).trim_end_matches('\r'));
        self.line("");
        self.show(0);
        self.events
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            // What is not JSON ends the stream (`[DONE]`), or says nothing.
            if let Ok(event) = serde_json::from_str::<Value>(&data) {
                self.said.push_str(self.dialect.piece(&event).unwrap_or_default());
                self.show(PIECE_BYTES);
                self.events.push(event);
            }
        } else if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
    }

    /// Shows whole lines, and what is longer than `most` of the one that is being said.
    fn show(&mut self, most: usize) {
        while let Some((line, rest)) = self.said.split_once('\n') {
            if !line.trim().is_empty() {
                self.log.log(LogLevel::Info, line);
            }
            self.said = rest.to_owned();
        }
        if self.said.len() > most {
            // Between words, if there is a place.
            let end = self.said.rfind(' ').filter(|_| most > 0).map_or(self.said.len(), |space| space + 1);
            let rest = self.said.split_off(end);
            let piece = std::mem::replace(&mut self.said, rest);
            if !piece.trim().is_empty() {
                self.log.log(LogLevel::Info, piece.trim_end());
            }
        }
    }
}
