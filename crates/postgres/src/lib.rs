//! Finds `PostgreSQL`, or starts a private cluster from installed binaries.
//!
//! A [`Cluster`] is shared by all processes that open the same folder: the first one starts the server, the last one
//! to end stops it, and the data stay. Nothing is downloaded, no port is opened (a Unix socket in a private folder is
//! the only way in), and root is no obstacle, although `PostgreSQL` refuses to run as root.
//! This crate speaks no SQL: it hands out an address.
//!
//! # Invariants
//!
//! 1. At most one server works in a data folder.
//! 2. A server that nobody uses is stopped, also when all its users were killed.
//! 3. A data folder is complete or absent: a first start that was killed leaves nothing half.
//! 4. Data are never upgraded or removed.
//! 5. Nothing but the owner reaches the socket.
//!
//! # How the last one out stops the server
//!
//! Every user holds a shared lock on `users.lock`. Who starts the server forks a *keeper*, which is the server's
//! parent and asks five times a second for the exclusive lock. When it gets it, nobody is left; when that lasts, it
//! keeps the lock, stops the server and ends, and who comes in between waits. Locks die with their processes, however
//! those die, so no count can be wrong. If the keeper itself is killed, the kernel tells the server to stop.

mod cluster;
mod data;
mod error;
mod folder;
mod identity;
mod installation;
mod keeper;
mod package;
mod postmaster;
#[expect(unsafe_code, reason = "fork, prctl and user namespaces have no safe interface in the standard library")]
mod sys;

pub use cluster::{Cluster, ClusterOptions, DATABASE};
pub use error::{ClusterError, NotInstalled};
pub use installation::Installation;
