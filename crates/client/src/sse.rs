//! Events of a server (`text/event-stream`), as the WHATWG has them, as far as this API sends them.

use std::collections::VecDeque;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServerEvent {
    /// Its name.
    pub(crate) name: String,
    /// The place behind it.
    pub(crate) id: String,
    /// What it says.
    pub(crate) data: String,
}

/// Cuts what comes into events, wherever the network has cut it.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The line that is not whole yet.
    line: Vec<u8>,
    event: ServerEvent,
    has_data: bool,
    whole: VecDeque<ServerEvent>,
}

impl Reader {
    /// Takes in what has come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                self.take_line(&String::from_utf8_lossy(line));
            } else {
                self.line.push(*byte);
            }
        }
    }

    /// The next event that is whole.
    pub(crate) fn next(&mut self) -> Option<ServerEvent> {
        self.whole.pop_front()
    }

    fn take_line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                self.whole.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => value.clone_into(&mut self.event.id),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment keeps the connection open, and other fields are for browsers.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_wherever_they_are_cut() {
        let text =
            ": beat\n\nevent: step\nid: 7~\ndata: {\"a\":\ndata: \"ä\"}\r\n\r\nevent:log\nid:8~\ndata:x\n\nid: 9\n\n";
        let event = |name: &str, id: &str, data: &str| ServerEvent {
            name: name.to_owned(),
            id: id.to_owned(),
            data: data.to_owned(),
        };
        for size in 1..text.len() {
            let mut reader = Reader::default();
            text.as_bytes().chunks(size).for_each(|chunk| reader.push(chunk));
            let events: Vec<_> = std::iter::from_fn(|| reader.next()).collect();
            assert_eq!(events, [event("step", "7~", "{\"a\":\n\"ä\"}"), event("log", "8~", "x")], "{size}");
        }
    }

    #[test]
    fn what_is_not_whole_is_no_event() {
        let mut reader = Reader::default();
        reader.push(b"event: step\ndata: 1\n");

        assert_eq!(reader.next(), None);
    }
}
