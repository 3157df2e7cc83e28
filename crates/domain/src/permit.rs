//! How the workers share the permits of an agent that may run only so often at once (`max_concurrent_executions`).
//!
//! A permit is for one attempt at a time; a worker holds those that it was granted over many attempts, so that the
//! bound costs nothing while nobody else wants the agent.
//!
//! # Invariants
//!
//! 1. All workers that live hold at most as many permits as the agent has.
//! 2. Who holds none gets one before who holds some gets more, and who has waited longest first.
//! 3. Where all want more than there are, each gets the same share, and one at least as far as they go.

use chrono::{DateTime, Utc};

/// What a worker wants of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermitRequest {
    /// How many attempts run: so many permits it cannot give back now.
    pub running: u32,
    /// How many permits it could use in all, with those; 0 gives all back.
    pub wanted: u32,
}

/// What a worker has of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermitShare {
    /// How many permits it holds.
    pub granted: u32,
    /// How many it wants.
    pub wanted: u32,
    /// Since when it wants some and holds none.
    pub waiting_since: Option<DateTime<Utc>>,
}

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermitGrant {
    /// How many permits it holds now, in all.
    pub granted: u32,
    /// Whether others want more than they have.
    pub is_contended: bool,
}

impl PermitShare {
    const fn is_short(&self) -> bool {
        self.granted < self.wanted
    }

    /// What a worker that asks has from now on, out of `limit` permits, beside what the others have.
    #[must_use]
    pub fn next(self, request: PermitRequest, (limit, others): (u32, &[Self]), now: DateTime<Utc>) -> (Self, bool) {
        let PermitRequest { running, wanted } = request;
        let wanted = wanted.max(running);
        let held: u32 = others.iter().map(|other| other.granted).sum();
        // What runs keeps its permits, also where the limit was lowered.
        let running = running.min(self.granted);
        let free = limit.saturating_sub(held).max(running);
        let is_contended = others.iter().any(Self::is_short);
        let claimants = u32::try_from(others.iter().filter(|other| other.wanted > 0).count()).unwrap_or(u32::MAX);
        let since = self.waiting_since.unwrap_or(now);
        let comes_first = |other: &&Self| {
            other.granted == 0
                && other.wanted > 0
                && (self.granted > 0 || other.waiting_since.is_some_and(|at| at < since))
        };
        let kept_for_others = u32::try_from(others.iter().filter(comes_first).count()).unwrap_or(u32::MAX);
        let fair = if is_contended { (limit / claimants.saturating_add(1)).max(1) } else { limit };
        let granted = wanted.min(free.saturating_sub(kept_for_others)).min(fair).max(running);
        let waiting_since = (granted == 0 && wanted > 0).then_some(since);
        (Self { granted, wanted, waiting_since }, is_contended)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    const fn wants(running: u32, wanted: u32) -> PermitRequest {
        PermitRequest { running, wanted }
    }

    /// Lets the worker of this place ask, and notes what it has then.
    fn ask(shares: &mut [PermitShare], (place, request): (usize, PermitRequest), limit: u32, now: i64) -> PermitShare {
        let mut others = shares.to_vec();
        let own = others.remove(place);
        let (next, _) = own.next(request, (limit, &others), at(now));
        shares[place] = next;
        next
    }

    #[test]
    fn one_worker_alone_gets_all_that_it_wants() {
        let mut shares = [PermitShare::default(); 1];

        assert_eq!(ask(&mut shares, (0, wants(0, 3)), 5, 0).granted, 3);
        assert_eq!(ask(&mut shares, (0, wants(3, 9)), 5, 1).granted, 5);
        assert_eq!(ask(&mut shares, (0, wants(0, 0)), 5, 2), PermitShare::default());
    }

    #[test]
    fn one_permit_goes_round() {
        let mut shares = [PermitShare::default(); 3];

        assert_eq!(ask(&mut shares, (0, wants(0, 9)), 1, 0).granted, 1);
        assert_eq!(ask(&mut shares, (1, wants(0, 9)), 1, 1).granted, 0);
        assert_eq!(ask(&mut shares, (2, wants(0, 9)), 1, 2).granted, 0);
        // What runs is not taken away; between two attempts it is.
        assert_eq!(ask(&mut shares, (0, wants(1, 9)), 1, 3).granted, 1);
        assert_eq!(ask(&mut shares, (0, wants(0, 9)), 1, 4).granted, 0);
        // The second has waited longer than the third and the first.
        assert_eq!(ask(&mut shares, (2, wants(0, 9)), 1, 5).granted, 0);
        assert_eq!(ask(&mut shares, (0, wants(0, 9)), 1, 5).granted, 0);
        assert_eq!(ask(&mut shares, (1, wants(0, 9)), 1, 6).granted, 1);
        assert_eq!(ask(&mut shares, (1, wants(0, 9)), 1, 7).granted, 0);
        assert_eq!(ask(&mut shares, (2, wants(0, 9)), 1, 8).granted, 1);
    }

    #[test]
    fn many_permits_are_shared_evenly_as_they_come_back() {
        let mut shares = [PermitShare::default(); 2];

        assert_eq!(ask(&mut shares, (0, wants(0, 100)), 10, 0).granted, 10);
        assert_eq!(ask(&mut shares, (1, wants(0, 100)), 10, 1).granted, 0);
        assert_eq!(ask(&mut shares, (0, wants(8, 100)), 10, 2).granted, 8);
        assert_eq!(ask(&mut shares, (1, wants(0, 100)), 10, 3).granted, 2);
        assert_eq!(ask(&mut shares, (0, wants(3, 100)), 10, 4).granted, 5);
        assert_eq!(ask(&mut shares, (1, wants(2, 100)), 10, 5).granted, 5);
    }

    #[test]
    fn a_limit_that_was_lowered_holds_as_soon_as_attempts_end() {
        let mut shares = [PermitShare { granted: 5, wanted: 5, waiting_since: None }; 1];

        assert_eq!(ask(&mut shares, (0, wants(5, 9)), 2, 0).granted, 5);
        assert_eq!(ask(&mut shares, (0, wants(1, 9)), 2, 1).granted, 2);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_the_limit_holds_and_nobody_starves(
            limit in 1_u32..6,
            asks in prop::collection::vec((0_usize..4, 0_u32..6, 0_u32..8), 1..60),
        ) {
            let mut shares = [PermitShare::default(); 4];
            for (second, (place, running, wanted)) in (0..).zip(asks) {
                let running = running.min(shares[place].granted);
                ask(&mut shares, (place, wants(running, wanted)), limit, second);
                prop_assert!(shares.iter().map(|share| share.granted).sum::<u32>() <= limit);
            }
            // All want one and give back what they have: each turn takes a round.
            let mut had = [false; 4];
            for second in 100..140 {
                let place = usize::try_from(second).unwrap_or_default() % 4;
                had[place] |= ask(&mut shares, (place, wants(0, 1)), limit, second).granted > 0;
            }
            prop_assert!(had.iter().all(|had| *had), "{had:?} {shares:?}");
        }
    }
}
