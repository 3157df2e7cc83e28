//! `turbocat chaos`: injects faults into workers and their database, and checks with an independent oracle.
//!
//! The parent process starts a PostgreSQL and several worker processes, each of which reaches it through a proxy of
//! the parent. It sends orders, injects faults, and keeps a ledger of what agents do. In the end an oracle that knows
//! nothing of the engine holds the database against the orders and the ledger.

mod adapter;
mod app;
mod args;
mod behaviour;
mod database;
mod dice;
mod evidence;
mod fault;
mod fleet;
mod ledger;
mod load;
mod message;
mod oracle;
mod process;
mod program;
mod proxy;
mod report;
mod run;
mod watch;
mod worker;

pub use self::{
    args::ChaosArgs,
    run::run,
    worker::{WORKER_ARGUMENT, worker_main},
};
