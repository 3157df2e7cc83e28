//! The store on a real `PostgreSQL`: the contract that every store keeps, and what only a database can get wrong.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what is not as expected ends a test; clippy knows tests, but not what they share"
)]

mod audit;
mod cancellation;
mod contract;
mod cost;
mod differential;
mod fault;
mod fixture;
mod race;
mod schedules;
mod session;
mod tabular;
