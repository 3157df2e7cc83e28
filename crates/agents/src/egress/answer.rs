//! An answer that was read to its end.

use chrono::DateTime;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER},
};

/// The longest pause that another side's `Retry-After` can ask for, in milliseconds: a day.
const RETRY_AFTER_MS_MAX: u64 = 86_400_000;

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Whether the same request may succeed in a moment: too early, too many, timed out, or the other side's fault.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

impl Answer {
    /// Whether it says that its body is JSON.
    pub(crate) fn is_json(&self) -> bool {
        let kind = self.header(&CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    }

    /// Whether its body is a stream of events.
    pub(crate) fn is_event_stream(&self) -> bool {
        self.header(&CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"))
    }

    /// The body as text; what is no UTF-8 becomes U+FFFD.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The beginning of the body, for a message.
    pub(crate) fn snippet(&self) -> String {
        const LENGTH: usize = 300;
        let text = self.text();
        let text = text.trim();
        let cut = text.get(..text.floor_char_boundary(LENGTH)).unwrap_or(text);
        if cut.len() < text.len() { format!("{cut}…") } else { cut.to_owned() }
    }

    /// The pause that it asks for, in milliseconds. A date is measured against the answer's own `Date`, so that
    /// no clock of ours is needed and none has to be right.
    pub(crate) fn retry_after_ms(&self) -> Option<u64> {
        let value = self.header(&RETRY_AFTER)?.trim();
        let milliseconds = if let Ok(seconds) = value.parse::<u64>() {
            seconds.saturating_mul(1_000)
        } else {
            let until = DateTime::parse_from_rfc2822(value).ok()?;
            let sent = DateTime::parse_from_rfc2822(self.header(&DATE)?.trim()).ok()?;
            u64::try_from((until - sent).num_milliseconds()).unwrap_or_default()
        };
        Some(milliseconds.min(RETRY_AFTER_MS_MAX))
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(HeaderName, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Answer { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Vec::new() }
    }

    #[test]
    fn a_pause_is_read_in_seconds_or_as_a_date() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let later = "Wed, 21 Oct 2015 07:28:30 GMT";

        assert_eq!(answer(&[(RETRY_AFTER, "7")]).retry_after_ms(), Some(7_000));
        assert_eq!(answer(&[(RETRY_AFTER, later), (DATE, date)]).retry_after_ms(), Some(30_000));
        assert_eq!(answer(&[(RETRY_AFTER, date), (DATE, later)]).retry_after_ms(), Some(0));
        assert_eq!(answer(&[(RETRY_AFTER, later)]).retry_after_ms(), None);
        assert_eq!(answer(&[(RETRY_AFTER, "soon")]).retry_after_ms(), None);
        assert_eq!(answer(&[(RETRY_AFTER, "99999999999999999999")]).retry_after_ms(), None);
        assert_eq!(answer(&[(RETRY_AFTER, "9999999999")]).retry_after_ms(), Some(RETRY_AFTER_MS_MAX));
    }

    #[test]
    fn json_is_known_by_its_content_type() {
        assert!(answer(&[(CONTENT_TYPE, "Application/Problem+JSON; charset=utf-8")]).is_json());
        assert!(!answer(&[(CONTENT_TYPE, "text/plain; a=application/json")]).is_json());
    }
}
