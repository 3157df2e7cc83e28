//! The HTTP adapter on the store in memory: every route, every answer.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests, helpers included"
)]

mod audit;
mod body;
mod bulk;
mod deployments;
mod document;
mod events;
mod frame;
mod health;
mod matrix;
mod resources;
mod session;
mod sorting;
mod sparse;
mod templates;
mod triggers;
mod waiting;
mod world;
