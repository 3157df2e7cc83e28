//! The child process in which a user's program runs: reads one request, gives up its rights, runs, answers.
//!
//! It is the server's own binary, run again. It holds no secret, no connection and no environment; what it may
//! cost is bounded twice, by the interpreter and by the kernel.

mod confine;
mod output;
mod program;
mod python;
mod request;

use std::{fs::File, io::Read, os::fd::AsFd, process::ExitCode};

pub(crate) use confine::Layer;
pub use confine::SANDBOX_LAYERS;
pub(crate) use output::{Failure, Level, Message, log};
pub(crate) use request::{Interpreter, JavascriptCall, JqCall, Limits, ProgramCall, PythonCall, Request, Task};
use serde_json::value::RawValue;

use crate::{code, data};

/// What a task came to: JSON text, or why there is none.
pub(crate) type Answer = Result<Box<RawValue>, Failure>;

/// The entry of the child process, to be called first thing in `main` when the only argument after the program's
/// name is the host's; see [`Agents`](crate::Agents).
///
/// Reads one request from standard input, confines the process, runs the request, and writes what came of it to
/// standard output, each message as its length (four bytes, little endian) and JSON.
#[must_use]
pub fn child_main() -> ExitCode {
    let request = match read_request() {
        Ok(request) => request,
        Err(error) => {
            eprintln!("no request: {error}");
            return ExitCode::from(64);
        }
    };
    confine::close_inherited();
    let answer = match &request.task {
        Task::Program(call) => {
            // Nobody would read an answer: standard output belongs to the program.
            eprintln!("{}", program::become_program(call, &request.limits));
            return ExitCode::from(69);
        }
        Task::Python(call) => Err(python::become_interpreter(call, &request)),
        _ => confined(&request),
    };
    match output::finish(answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nobody takes the answer: {error}");
            ExitCode::from(74)
        }
    }
}

/// Gives up all rights and does what is asked.
fn confined(request: &Request) -> Answer {
    confine::show(&request.label);
    let mut layers = confine::confine(&request.limits);
    if matches!(request.task, Task::Probe) {
        layers.extend(confine::attempts());
    } else {
        confine::hold(&request.limits.floor, &layers)?;
    }
    run(request, &layers)
}

fn run(request: &Request, layers: &[Layer]) -> Answer {
    let limits = &request.limits;
    match &request.task {
        Task::Python(call) => Err(python::become_interpreter(call, request)),
        Task::Program(_) => Err(Failure::new("crashed", "a program takes the place of this process, or nothing does")),
        Task::Javascript(call) => code::javascript::run(call, limits),
        Task::CheckJavascript { source } => code::javascript::check(source, limits),
        Task::Jq(call) => data::program::run(call, limits),
        Task::CheckJq { program } => data::program::check(program),
        Task::Probe => output::to_answer(layers),
    }
}

fn read_request() -> std::io::Result<Request> {
    // Without a buffer: what comes behind the request is for the program that takes the place of this one.
    let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut body = Vec::new();
    input.take(u64::from(u32::from_le_bytes(length))).read_to_end(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
