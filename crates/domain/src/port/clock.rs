//! Time and identifiers, the two things that a pure rule cannot make for itself.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// The current time, cut to microseconds (what PostgreSQL stores).
    fn now(&self) -> DateTime<Utc>;
}

/// New identifiers.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait IdGenerator: Send + Sync {
    /// A new UUID, version 7: later ones sort after earlier ones.
    fn next(&self) -> Uuid;
}
