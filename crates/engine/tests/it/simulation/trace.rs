//! All that happens in a simulated life, folded into one number, and kept as lines when somebody wants to read it.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// What is kept of what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: writing it down takes as long as living it.
    Nothing,
    /// The number that it is folded into.
    Hash,
    /// All of it.
    Lines,
}

/// A trace under way. Lines are told in the order in which things happen, each with its virtual time.
pub(crate) struct Trace {
    start: Instant,
    keep: Keep,
    inner: Mutex<Inner>,
}

struct Inner {
    hash: Fold,
    told: u64,
    lines: Vec<String>,
}

/// What a trace comes to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) hash: u64,
    /// How many lines there were.
    pub(crate) count: u64,
    /// The lines, if they were kept.
    pub(crate) lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        let inner = Inner { hash: Fold::default(), told: 0, lines: Vec::new() };
        Self { start: Instant::now(), keep, inner: Mutex::new(inner) }
    }

    /// Takes in that something happened.
    pub(crate) fn tell(&self, what: fmt::Arguments<'_>) {
        if self.keep == Keep::Nothing {
            return;
        }
        let at_us = self.start.elapsed().as_micros();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.told += 1;
        if self.keep == Keep::Hash {
            return write!(inner.hash, "{at_us} {what}").unwrap();
        }
        let line = format!("{at_us} {what}");
        inner.hash.write_str(&line).unwrap();
        inner.lines.push(line);
    }

    /// What it comes to so far.
    pub(crate) fn told(&self) -> Told {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Told { hash: inner.hash.0, count: inner.told, lines: inner.lines.clone() }
    }
}

/// FNV-1a: not for enemies, but each byte counts, and so does its place.
struct Fold(u64);

impl Default for Fold {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Fold {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// The first lines in which two traces differ, with a few before them.
pub(crate) fn difference(one: &[String], other: &[String]) -> String {
    const BEFORE: usize = 3;
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    for line in &one[at.saturating_sub(BEFORE)..at] {
        writeln!(text, "  {line}").unwrap();
    }
    writeln!(text, "- {}", one.get(at).map_or("(the end)", String::as_str)).unwrap();
    writeln!(text, "+ {}", other.get(at).map_or("(the end)", String::as_str)).unwrap();
    text
}

#[test]
fn a_trace_shows_in_its_number_what_was_told_and_in_which_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let told = |keep, lines: [&str; 2]| {
        runtime.block_on(async {
            let trace = Trace::new(keep);
            for line in lines {
                trace.tell(format_args!("{line}"));
            }
            trace.told()
        })
    };
    let one = told(Keep::Hash, ["a", "b"]);
    let kept = told(Keep::Lines, ["a", "b"]);
    let swapped = told(Keep::Lines, ["b", "a"]);

    assert_eq!((one.hash, one.count), (kept.hash, 2), "keeping the lines changes nothing");
    assert_ne!(one.hash, swapped.hash);
    assert!(difference(&kept.lines, &swapped.lines).contains("- 0 a\n+ 0 b"), "{:?}", kept.lines);
}
