//! What the host asks of a child.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One request; a child gets one in its life.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What the list of processes shows.
    pub(crate) label: String,
    /// What is to be done.
    pub(crate) task: Task,
    /// What it may cost.
    pub(crate) limits: Limits,
}

/// What a child may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The longest that it may take, in milliseconds.
    pub(crate) timeout_ms: u64,
    /// The memory of the program, without that of the interpreter itself.
    pub(crate) memory_bytes: u64,
    /// The longest answer.
    pub(crate) output_bytes: u64,
    /// The process that asks: a child that finds itself without it ends.
    pub(crate) parent: u32,
    /// The layers of the confinement without which nothing is run.
    pub(crate) floor: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Runs a program in JavaScript.
    Javascript(JavascriptCall),
    /// Parses a program in JavaScript.
    CheckJavascript {
        /// The program.
        source: String,
    },
    /// Runs a program in Python, or parses it.
    Python(PythonCall),
    /// Runs a program in jq.
    Jq(JqCall),
    /// Parses a program in jq.
    CheckJq {
        /// The program.
        program: String,
    },
    /// Becomes a program of the operator's, which speaks through the pipes of this process.
    Program(ProgramCall),
    /// Tells which parts of the confinement hold on this machine.
    Probe,
}

/// A program in JavaScript and what it is given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JavascriptCall {
    /// The program, a module.
    pub(crate) source: String,
    /// The first argument of its function.
    pub(crate) inputs: Box<RawValue>,
    /// The second.
    pub(crate) context: Box<RawValue>,
}

/// A program in Python and what it is given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PythonCall {
    /// What runs it.
    pub(crate) interpreter: Interpreter,
    /// The program.
    pub(crate) source: String,
    /// The first argument of its function.
    pub(crate) inputs: Box<RawValue>,
    /// The second.
    pub(crate) context: Box<RawValue>,
    /// Whether it is only parsed.
    pub(crate) check: bool,
}

/// An interpreter of this machine, and all of its file system that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interpreter {
    /// `3.11.2`.
    pub(crate) version: String,
    /// The interpreter itself.
    pub(crate) program: PathBuf,
    /// The files that it maps: itself, the loader, libraries.
    pub(crate) files: Vec<PathBuf>,
    /// The folders of its standard library.
    pub(crate) folders: Vec<PathBuf>,
}

/// A program in jq and what it is given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JqCall {
    /// The program.
    pub(crate) program: String,
    /// What `.` is.
    pub(crate) inputs: Box<RawValue>,
    /// Whether the answer is the list of all outputs.
    pub(crate) collect: bool,
}

/// A program of the operator's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProgramCall {
    /// A path, or what is looked for in the `PATH` of its environment.
    pub(crate) command: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The folder that it is started in.
    pub(crate) folder: Option<PathBuf>,
}
