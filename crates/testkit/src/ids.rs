//! Identifiers that are the same at every run.

use std::sync::atomic::{AtomicU64, Ordering};

use turbocat_domain::port::IdGenerator;
use uuid::Uuid;

/// Milliseconds since 1970 that the first identifier carries: 2026-01-01.
const BASE_MS: u64 = 1_767_225_600_000;

/// Gives UUIDs of version 7 that are the same at every run: later ones sort after earlier ones, and two seeds
/// never give the same one.
#[derive(Debug)]
pub struct SequentialIds {
    seed: u64,
    next: AtomicU64,
}

impl SequentialIds {
    /// A sequence of its own for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }
}

impl IdGenerator for SequentialIds {
    fn next(&self) -> Uuid {
        nth(self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The identifier at a place of the sequence of a seed.
pub(crate) fn nth(seed: u64, place: u64) -> Uuid {
    // The place stands in the part that sorts: its low 12 bits after the milliseconds, the rest in them.
    let high = ((BASE_MS + (place >> 12)) << 16) | 0x7000 | (place & 0xfff);
    let low = (0b10 << 62) | (seed & (u64::MAX >> 2));
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_7_sorted_and_the_same_at_every_run() {
        let (one, again, other) = (SequentialIds::new(1), SequentialIds::new(1), SequentialIds::new(2));
        let ids: Vec<Uuid> = (0..10_000).map(|_| one.next()).collect();

        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| *id == again.next()));
        assert!(ids.iter().all(|id| *id != other.next()));
    }
}
