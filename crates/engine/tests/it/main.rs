//! The engine on a store in memory, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what does not hold in a test fails it"
)]

mod budgets;
mod children;
mod deployments;
mod flows;
mod follow_ups;
mod life_cycle;
mod load;
mod observed;
mod parts;
mod pauses;
mod permits;
mod schedules;
mod simulation;
mod storage;
mod waits;
mod world;
