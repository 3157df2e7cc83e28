//! Choices that a seed decides: a test that failed is run again by its seed.

/// A small generator of pseudo-random numbers (`SplitMix64`), good enough to choose what a test does next.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// Whether something happens that happens so many times in a thousand.
    pub const fn per_mille(&mut self, rate: u16) -> bool {
        self.below(1_000) < rate as u64
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(items.len()).unwrap_or(u64::MAX));
        items.get(usize::try_from(index).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_sequence_and_a_rate_is_about_kept() {
        let mut one = Random::new(7);
        let mut again = Random::new(7);
        assert!((0..100).all(|_| one.next() == again.next()));

        let hits = (0..10_000).filter(|_| one.per_mille(250)).count();
        assert!((2_300..2_700).contains(&hits), "{hits} of 10,000 at a rate of one in four");
    }
}
