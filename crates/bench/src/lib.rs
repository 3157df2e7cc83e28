//! `turbocat bench`: measures the engine against what PostgreSQL itself can do, in one run on one server.

mod adapter;
mod agent;
mod args;
mod bench;
mod client;
mod counters;
mod crew;
mod document;
mod limit;
mod load;
mod machine;
mod meter;
mod process;
mod report;
mod round;
mod run;
mod served;
mod server;
mod stats;
mod subject;
mod worker;
mod workload;

pub use self::{
    args::BenchArgs,
    run::run,
    worker::{WORKER_ARGUMENT, worker_main},
};
