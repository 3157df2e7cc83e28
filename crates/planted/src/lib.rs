//! Bugs that are planted on purpose: each breaks one rule of the durable protocol, and `turbocat chaos` must notice.
//!
//! The places that a bug changes ask [`is_planted`]. Without the feature `planted-bugs` that is a constant `false`, so
//! that a release has no trace of them; the binary that the tests are run with is built with the feature.

mod bug;

pub use self::bug::{Bug, UnknownBug};

/// Plants one bug in this process, for good. The first call counts.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Bug) {
    let _planted_before = PLANTED.set(bug);
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Whether this bug is planted in this process.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Whether this bug is planted in this process: never, without the feature.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is_planted(_: Bug) -> bool {
    false
}
