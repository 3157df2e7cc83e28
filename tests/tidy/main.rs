//! The rules of the house that no compiler knows: who may depend on whom, how large things may be, what is not said.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests, helpers included")]

mod dependencies;
mod security;
mod sources;
mod traits;
mod workspace;
