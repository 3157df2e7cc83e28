//! The workloads, one file each.

mod attach;
mod history;
mod http;
mod idle;
mod light;
mod map;
mod pages;
mod processes;
mod saturated;
mod schedules;
mod single;
mod sleepers;

pub(crate) use self::{
    attach::attach,
    history::history,
    http::http,
    idle::idle,
    light::light,
    map::map,
    processes::processes,
    saturated::{chain, fan_out, gates},
    schedules::schedules,
    single::single,
    sleepers::sleepers,
};
