//! Takes the place of this process by an interpreter of Python, confined to its own library.
//!
//! What it is to run lies in memory behind a descriptor that it inherits: it needs no file, and its standard input
//! stays empty.

use std::{
    convert::Infallible,
    ffi::CString,
    fs::File,
    io::{Seek, Write},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
};

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::execve,
};
use serde::Serialize;
use serde_json::value::RawValue;
use turbocat_domain::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX};

use super::{
    confine,
    output::Failure,
    request::{PythonCall, Request},
};

/// The first thing that the interpreter runs.
const RUNNER: &str = include_str!("../code/runner.py");

/// Isolated from the environment and the folder, without `site`, writing no bytecode, in UTF-8.
const FLAGS: [&str; 6] = ["-I", "-S", "-B", "-X", "utf8", "-c"];

/// What the runner is given.
#[derive(Serialize)]
struct Order<'a> {
    source: &'a str,
    inputs: &'a RawValue,
    context: &'a RawValue,
    check: bool,
    memory_bytes: u64,
    output_bytes: u64,
    log: LogLimits,
}

#[derive(Serialize)]
struct LogLimits {
    lines: usize,
    bytes: usize,
    line_bytes: usize,
}

/// Becomes the interpreter. Returns only why that failed.
pub(super) fn become_interpreter(call: &PythonCall, request: &Request) -> Failure {
    match try_become(call, request) {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

fn try_become(call: &PythonCall, request: &Request) -> Result<Infallible, Failure> {
    let crashed = |what: &str, error: &dyn std::fmt::Display| Failure::new("crashed", format!("{what}: {error}"));
    let order = write_order(call, request).map_err(|error| crashed("the program cannot be handed over", &error))?;
    let text = |text: &[u8]| CString::new(text).map_err(|error| crashed("a text for the interpreter", &error));
    let program = text(call.interpreter.program.as_os_str().as_bytes())?;
    let number = order.as_raw_fd().to_string();
    let arguments =
        FLAGS.into_iter().chain([RUNNER, &number, &request.label]).map(|argument| text(argument.as_bytes()));
    let arguments: Vec<CString> = [Ok(program.clone())].into_iter().chain(arguments).collect::<Result<_, _>>()?;

    let layers = confine::confine_program(&request.limits, &call.interpreter);
    // Without it everything that all users may read could be read.
    confine::hold(&["landlock".to_owned()], &layers)?;
    confine::hold(&request.limits.floor, &layers)?;
    confine::limit_addresses(&request.limits).map_err(|error| crashed("the memory cannot be bounded", &error))?;
    execve(&program, &arguments, &[] as &[CString]).map_err(|error| crashed("the interpreter does not start", &error))
}

/// A file without a name, which is not closed when another program takes the place of this one.
fn write_order(call: &PythonCall, request: &Request) -> std::io::Result<File> {
    let order = Order {
        source: &call.source,
        inputs: &call.inputs,
        context: &call.context,
        check: call.check,
        memory_bytes: request.limits.memory_bytes,
        output_bytes: request.limits.output_bytes,
        log: LogLimits { lines: LOG_LINES_MAX, bytes: LOG_BYTES_MAX, line_bytes: LOG_LINE_BYTES_MAX },
    };
    let mut file = File::from(memfd_create("order", MFdFlags::empty())?);
    file.write_all(&serde_json::to_vec(&order)?)?;
    file.rewind()?;
    Ok(file)
}
