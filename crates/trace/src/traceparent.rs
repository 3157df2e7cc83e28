//! The header `traceparent`, version 00 of the W3C recommendation.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};
use uuid::Uuid;

/// The name of the header.
pub const HEADER: &str = "traceparent";

/// A trace, the span in it under which work goes on, and whether it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl Traceparent {
    /// Reads the header. One of a later version is read as far as this one goes; what is malformed is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_last = parts.next().is_none();
        let version = u8::from_str_radix(digits(version, 2)?, 16).ok()?;
        if version == u8::MAX || (version == 0 && !is_last) {
            return None;
        }
        let trace = TraceId::from_hex(digits(trace, 32)?).ok().filter(|trace| *trace != TraceId::INVALID)?;
        let span = SpanId::from_hex(digits(span, 16)?).ok().filter(|span| *span != SpanId::INVALID)?;
        let flags = u8::from_str_radix(digits(flags, 2)?, 16).ok()?;
        Some(Self { trace, span, flags: TraceFlags::new(flags) & TraceFlags::SAMPLED })
    }

    /// The trace of an execution that nobody gave one: its id, so that all its steps are found in one place whichever
    /// process ran them.
    #[must_use]
    pub fn of_execution(id: Uuid) -> Self {
        let mut span = [0; 8];
        // The last half of an id of the seventh version is random: it is not zero.
        span.iter_mut().zip(id.as_bytes().iter().skip(8)).for_each(|(byte, of_id)| *byte = *of_id);
        Self { trace: TraceId::from_bytes(*id.as_bytes()), span: SpanId::from_bytes(span), flags: TraceFlags::SAMPLED }
    }

    pub(crate) fn from_span(context: &SpanContext) -> Option<Self> {
        let this = || Self { trace: context.trace_id(), span: context.span_id(), flags: context.trace_flags() };
        context.is_valid().then(this)
    }

    pub(crate) const fn parts(&self) -> (TraceId, SpanId, TraceFlags) {
        (self.trace, self.span, self.flags)
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags.to_u8())
    }
}

/// The text, if it is so many hexadecimal digits in lower case.
fn digits(text: &str, count: usize) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == count && text.bytes().all(is_digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written() {
        let read = |text: &str| Traceparent::parse(text).map(|parent| parent.to_string());

        assert_eq!(read(GIVEN).as_deref(), Some(GIVEN));
        assert_eq!(read(&format!(" {} ", GIVEN.replace("-01", "-00"))), Some(GIVEN.replace("-01", "-00")));
        let later = GIVEN.replacen("00", "cc", 1) + "-what-comes-later";
        assert_eq!(read(&later).as_deref(), Some(GIVEN));
    }

    #[test]
    fn what_is_malformed_is_none() {
        let none = [
            String::new(),
            GIVEN.to_uppercase(),
            format!("{GIVEN}-more"),
            GIVEN.replacen("00", "ff", 1),
            GIVEN.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GIVEN.replace("b7ad6b7169203331", &"0".repeat(16)),
            GIVEN.replace("b7ad6b7169203331", "b7ad6b716920333"),
            GIVEN.replace("-01", ""),
            GIVEN.replace("-01", "-+1"),
            GIVEN.replace('-', "é"),
        ];
        for text in none {
            assert_eq!(Traceparent::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn an_execution_that_nobody_gave_a_trace_is_one() {
        let id = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        let parent = Traceparent::of_execution(id).to_string();

        assert_eq!(parent, format!("00-{}-8000000000000001-01", id.simple()));
        assert_eq!(Traceparent::parse(&parent).map(|parent| parent.to_string()), Some(parent));
    }
}
