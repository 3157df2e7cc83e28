//! When which fault comes: rounds in which each kind comes as often as its weight says, in a seeded order, with
//! pauses in between and now and then a longer one, in which everything is to recover. In the first round each kind comes
//! once: a short run has met all of them.

use std::time::Duration;

use super::kind::Fault;
use crate::dice::Dice;

/// One of so many pauses is a long one.
const CALM_ONE_OF: u64 = 12;

/// The schedule of a seed. It never ends.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    kinds: Vec<Fault>,
    round: Vec<Fault>,
    dice: Dice,
    is_first_round: bool,
}

impl Schedule {
    /// The schedule of these kinds.
    pub(crate) fn new(kinds: &[Fault], seed: u64) -> Self {
        Self { kinds: kinds.to_vec(), round: Vec::new(), dice: Dice::new(seed, "schedule"), is_first_round: true }
    }

    /// The pause before the next fault, and what it is; `None` if there are no faults.
    pub(crate) fn next(&mut self) -> Option<(Duration, Fault)> {
        if self.round.is_empty() {
            let is_first = std::mem::take(&mut self.is_first_round);
            let times = |kind: Fault| if is_first { 1 } else { kind.weight() };
            self.round = self.kinds.iter().flat_map(|&kind| std::iter::repeat_n(kind, times(kind))).collect();
            self.dice.shuffle(&mut self.round);
        }
        let is_long = self.dice.below(CALM_ONE_OF) == 0;
        let pause = if is_long { self.dice.ms(2_500, 5_000) } else { self.dice.ms(50, 500) };
        Some((pause, self.round.pop()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_has_every_kind_once_and_the_next_as_often_as_it_weighs() {
        let mut schedule = Schedule::new(&Fault::ALL, 5);
        let mut first: Vec<_> = Fault::ALL.iter().map(|_| schedule.next().unwrap().1).collect();
        first.sort();
        let mut all = Fault::ALL.to_vec();
        all.sort();
        assert_eq!(first, all);

        let size = Fault::ALL.iter().map(|fault| fault.weight()).sum();
        let round: Vec<_> = (0..size).map(|_| schedule.next().unwrap().1).collect();

        for fault in Fault::ALL {
            assert_eq!(round.iter().filter(|&&one| one == fault).count(), fault.weight(), "{fault}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_schedule() {
        let take = |seed| {
            let mut schedule = Schedule::new(&Fault::ALL, seed);
            (0..100).map(|_| schedule.next().unwrap()).collect::<Vec<_>>()
        };

        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }

    #[test]
    fn without_faults_there_is_nothing_to_do() {
        assert_eq!(Schedule::new(&[], 1).next(), None);
    }
}
