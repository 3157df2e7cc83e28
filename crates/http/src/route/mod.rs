//! The routes, one file a resource.

pub(crate) mod health;
