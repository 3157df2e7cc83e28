//! New identifiers.

use turbocat_domain::port::IdGenerator;
use uuid::Uuid;

/// UUIDs of version 7, from the system's clock and randomness.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UuidV7;

impl IdGenerator for UuidV7 {
    #[expect(clippy::disallowed_methods, reason = "this is the one adapter of the port")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
