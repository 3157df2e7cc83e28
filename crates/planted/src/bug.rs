//! The bugs, by name.

/// A rule of the protocol that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A worker that is marked dead may commit, and for executions that it does not own.
    NoFence,
    /// A takeover frees the executions of a worker, and does not mark it dead.
    TakeoverWithoutDeath,
    /// A takeover frees half of the executions.
    TakeoverForgets,
    /// A claim takes executions that another worker owns.
    ClaimsOwned,
    /// What was claimed by a statement whose answer was lost is kept, though nobody knows of it.
    UnknownKept,
    /// The next step starts before the result of the one before is committed.
    SuccessorBeforeCommit,
    /// A commit of unknown outcome is taken for one that succeeded.
    DoubtIsSuccess,
    /// What is sent again after an unknown outcome is sent as further attempts.
    ResentAsNew,
    /// An execution is answered to be accepted though its insert may have been lost.
    AcceptedInDoubt,
    /// Records of skipped steps are not written.
    RecordsDropped,
    /// The metrics of agents count what is sent again once more.
    CountedAgain,
    /// Each attempt has an idempotency key of its own.
    KeyOfAttempt,
    /// Attempts are repeated without their delay.
    RetryEarly,
    /// The engine's time is that of a machine whose clock is two seconds fast.
    ClockAhead,
    /// A cancel that was taken from the mailbox is dropped.
    MailLost,
    /// A parked execution does not say which events it waits for.
    WaitForgotten,
    /// The parent of an execution that ends is not woken.
    ParentNotWoken,
    /// Children for whose answers nobody waits are not cancelled.
    ChildrenLeft,
    /// What a step did before is not read when it is run again.
    PartsForgotten,
    /// A worker that is marked dead may record parts, and for executions that it does not own.
    PartsUnfenced,
}

/// A text that names no bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBug(pub String);

impl Bug {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::NoFence,
        Self::TakeoverWithoutDeath,
        Self::TakeoverForgets,
        Self::ClaimsOwned,
        Self::UnknownKept,
        Self::SuccessorBeforeCommit,
        Self::DoubtIsSuccess,
        Self::ResentAsNew,
        Self::AcceptedInDoubt,
        Self::RecordsDropped,
        Self::CountedAgain,
        Self::KeyOfAttempt,
        Self::RetryEarly,
        Self::ClockAhead,
        Self::MailLost,
        Self::WaitForgotten,
        Self::ParentNotWoken,
        Self::ChildrenLeft,
        Self::PartsForgotten,
        Self::PartsUnfenced,
    ];

    /// Its name, in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoFence => "no_fence",
            Self::TakeoverWithoutDeath => "takeover_without_death",
            Self::TakeoverForgets => "takeover_forgets",
            Self::ClaimsOwned => "claims_owned",
            Self::UnknownKept => "unknown_kept",
            Self::SuccessorBeforeCommit => "successor_before_commit",
            Self::DoubtIsSuccess => "doubt_is_success",
            Self::ResentAsNew => "resent_as_new",
            Self::AcceptedInDoubt => "accepted_in_doubt",
            Self::RecordsDropped => "records_dropped",
            Self::CountedAgain => "counted_again",
            Self::KeyOfAttempt => "key_of_attempt",
            Self::RetryEarly => "retry_early",
            Self::ClockAhead => "clock_ahead",
            Self::MailLost => "mail_lost",
            Self::WaitForgotten => "wait_forgotten",
            Self::ParentNotWoken => "parent_not_woken",
            Self::ChildrenLeft => "children_left",
            Self::PartsForgotten => "parts_forgotten",
            Self::PartsUnfenced => "parts_unfenced",
        }
    }

    /// The faults that bring it to light; none if it shows without any.
    #[must_use]
    pub const fn faults(self) -> &'static [&'static str] {
        match self {
            Self::NoFence | Self::TakeoverWithoutDeath | Self::TakeoverForgets | Self::PartsUnfenced => {
                &["kill_worker", "kill_acceptor"]
            }
            Self::UnknownKept | Self::ResentAsNew | Self::CountedAgain => &["reply_lost"],
            Self::DoubtIsSuccess | Self::AcceptedInDoubt => &["commit_lost"],
            Self::ClaimsOwned
            | Self::SuccessorBeforeCommit
            | Self::RecordsDropped
            | Self::KeyOfAttempt
            | Self::RetryEarly
            | Self::ClockAhead
            | Self::MailLost
            | Self::WaitForgotten
            | Self::ParentNotWoken
            | Self::ChildrenLeft
            | Self::PartsForgotten => &[],
        }
    }

    /// The rule of the oracle that must be found broken.
    #[must_use]
    pub const fn finding(self) -> &'static str {
        match self {
            Self::NoFence | Self::PartsUnfenced => "stale_commits",
            Self::PartsForgotten => "parts_repeated",
            Self::TakeoverForgets
            | Self::UnknownKept
            | Self::MailLost
            | Self::WaitForgotten
            | Self::ParentNotWoken
            | Self::ChildrenLeft => "not_ended",
            Self::TakeoverWithoutDeath | Self::ClaimsOwned => "attempts_repeated",
            Self::SuccessorBeforeCommit => "successors_after_commit",
            Self::DoubtIsSuccess | Self::RecordsDropped => "steps_as_modelled",
            Self::ResentAsNew => "results_twice",
            Self::AcceptedInDoubt => "accepted_lost",
            Self::CountedAgain => "agent_metrics",
            Self::KeyOfAttempt => "effects_unknown",
            Self::RetryEarly => "retries_early",
            Self::ClockAhead => "timers_early",
        }
    }
}

impl std::str::FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(text: &str) -> Result<Self, UnknownBug> {
        Self::ALL.into_iter().find(|bug| bug.as_str() == text).ok_or_else(|| UnknownBug(text.to_owned()))
    }
}

impl std::fmt::Display for UnknownBug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is no planted bug; there are ", self.0)?;
        let mut names = Bug::ALL.iter().map(|bug| bug.as_str());
        f.write_str(names.next().unwrap_or_default())?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

impl std::error::Error for UnknownBug {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bug_is_found_by_its_name() {
        for bug in Bug::ALL {
            assert_eq!(bug.as_str().parse(), Ok(bug));
        }
        assert!("nothing".parse::<Bug>().unwrap_err().to_string().contains("no_fence, takeover_without_death"));
    }
}
