//! What happened in simulated lives, so that none can pass without anything having happened.

/// Declares the counts with their sum, and with the least that a thousand seeds must come to.
macro_rules! tally {
    ($($(#[$doc:meta])* $count:ident: $floor:literal,)+) => {
        /// How often things happened.
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct Tally {
            $($(#[$doc])* pub(crate) $count: u64,)+
        }

        impl Tally {
            /// Adds what happened in another life.
            pub(crate) const fn add(&mut self, other: &Self) {
                $(self.$count += other.$count;)+
            }

            /// What happened less often than it must in so many seeds.
            pub(crate) fn too_rare(&self, seeds: u64) -> Vec<String> {
                let mut rare = Vec::new();
                $(
                    let floor: u64 = $floor * seeds / 1_000;
                    if self.$count < floor {
                        rare.push(format!("{}: {} times in {seeds} seeds, at least {floor}", stringify!($count), self.$count));
                    }
                )+
                rare
            }
        }
    };
}

tally! {
    executions: 5_000,
    children: 1_500,
    completed: 4_000,
    failed: 1_000,
    cancelled: 700,
    timed_out: 700,
    /// Given up after too many takeovers without progress.
    poisoned: 300,
    calls: 25_000,
    /// Calls of an attempt that was called before: its worker died with the result.
    repeated_calls: 800,
    /// Starts that were proved from what was durable.
    proved_starts: 25_000,
    /// Calls by a worker that was marked dead, and did not know it.
    stale_calls: 2,
    /// Parts of steps that were recorded, or found recorded.
    parts: 10_000,
    /// Of them those that an attempt or a worker before had recorded.
    parts_found: 400,
    /// Parts that dead workers tried to record.
    fenced_parts: 30,
    commits: 70_000,
    /// Ends that were proved from what was durable.
    proved_ends: 5_000,
    /// Commits that dead workers tried.
    fenced_commits: 200,
    /// Waits whose time was checked when they ended.
    timers: 4_000,
    killed: 400,
    sessions_ended: 600,
    fenced: 300,
    drained: 400,
    outages: 400,
    partitions: 400,
    pauses: 800,
    /// Single calls that took longer than a lease.
    stalls: 700,
    /// Of them commits.
    stalled_commits: 150,
    failed_before: 5_000,
    failed_after: 6_000,
    dead_workers_found: 1_800,
    executions_taken_over: 1_200,
    parked: 7_000,
    events: 3_500,
    /// Executions that were still paused when nothing went wrong any more.
    held_back: 250,
    approvals: 1_400,
}
