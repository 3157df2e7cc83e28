//! The HTTP adapter on the store in memory: every route, every answer.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests, helpers included"
)]

mod audit;
mod bodies;
mod body;
mod budgets;
mod bulk;
mod client;
mod common_passwords;
mod deployments;
mod document;
mod events;
mod frame;
mod guessing;
mod hardening;
mod health;
mod injection;
mod mass_assignment;
mod matrix;
mod recovery;
mod replay;
mod resources;
mod session;
mod sorting;
mod sparse;
mod templates;
mod triggers;
mod waiting;
mod world;
