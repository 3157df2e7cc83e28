//! The use cases on the store in memory, with the real check of schemas.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

mod access;
mod deployments;
mod executions;
mod once;
mod publish;
mod recovery;
mod secrets;
mod seed;
mod ten_mistakes;
mod world;
