//! The faults: which there are, when they are injected, and how.

mod disk;
mod kind;
mod nemesis;
mod network;
mod schedule;
mod server;
mod worker;

pub(crate) use self::{
    disk::{Disk, without_strace},
    kind::Fault,
    nemesis::{Nemesis, World},
};
