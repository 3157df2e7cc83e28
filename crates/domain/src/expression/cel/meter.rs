//! The budget of an evaluation.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) struct Exhausted;

/// Counts down what an evaluation may cost, in units of a few tens of nanoseconds.
///
/// A unit is what eight bytes of text cost, or one node of the tree in one round of a loop; a value
/// costs [`Meter::VALUE`] and its text.
#[derive(Debug)]
pub(in crate::expression) struct Meter {
    left: AtomicU64,
    exhausted: AtomicBool,
}

impl Meter {
    /// What an evaluation may cost: some hundred milliseconds, at most sixty megabytes of text.
    pub(in crate::expression) const BUDGET: u64 = 8_000_000;
    /// What one value costs, besides its text.
    pub(super) const VALUE: u64 = 8;

    /// What text of so many bytes costs.
    pub(super) const fn text(bytes: usize) -> u64 {
        bytes as u64 / 8
    }

    /// Takes units out of the budget.
    pub(super) fn charge(&self, units: u64) -> Result<(), Exhausted> {
        // One evaluation runs on one thread; the atomics are there because the library's functions
        // must be `Sync`.
        let left = self.left.load(Ordering::Relaxed);
        if left < units {
            self.left.store(0, Ordering::Relaxed);
            self.exhausted.store(true, Ordering::Relaxed);
            return Err(Exhausted);
        }
        self.left.store(left - units, Ordering::Relaxed);
        Ok(())
    }

    /// What is left.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Whether something was refused.
    pub(in crate::expression) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self { left: AtomicU64::new(Self::BUDGET), exhausted: AtomicBool::new(false) }
    }
}
