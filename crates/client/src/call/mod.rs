//! What can be asked for: one file a resource.

mod access;
mod budget;
mod deployment;
mod document;
mod execution;
mod follow;
mod template;
mod waiting;

pub use follow::Followed;
