//! What tests need: a store in memory that keeps every promise of the ports, the contract suite that each store
//! must pass, faults on purpose, a clock and identifiers that are the same at every run, and builders.

pub mod builder;
pub mod cipher;
pub mod clock;
pub mod contract;
pub mod faulty;
pub mod host;
pub mod ids;
pub mod mail;
pub mod memory;
pub mod mock;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod random;
pub mod runner;
