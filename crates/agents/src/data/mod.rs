//! Data agents: a program in jq that makes one JSON value of another, run in a child process of its own.
//!
//! ```json
//! { "program": ".orders | map(select(.total > 100)) | length" }
//! ```
//!
//! `.` is the whole object of inputs. A program with one output gives that output; with none, `null`; with more
//! than one it fails, because a step has one answer: put the program into `[ ]`, or set `"collect": true`, which
//! gives the list of all outputs, however many there are. `debug` and `stderr` write to the execution's log. `env`,
//! `input`, `now`, `halt` and modules are not there.

pub(crate) mod program;
mod value;

use serde_json::{Value, value::to_raw_value};
use turbocat_domain::{
    port::{AgentCall, LogSink},
    problem::{Problem, Problems},
    step_run::StepError,
};

use crate::{
    agents::{invalid_config, job},
    child::{JqCall, Task},
    config::Reader,
    host::ChildHost,
};

/// The longest program, in bytes.
const PROGRAM_BYTES_MAX: usize = 64 << 10;

/// The configuration of a data agent.
#[derive(Debug)]
pub(crate) struct Config {
    program: String,
    collect: bool,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        let program = reader.required_text("program", "a program in jq").map(str::to_owned);
        if let Some(program) = program.as_ref().filter(|program| program.len() > PROGRAM_BYTES_MAX) {
            reader.problem("program", format!("has {} bytes; {PROGRAM_BYTES_MAX} are allowed", program.len()));
        }
        let collect = reader.flag("collect").unwrap_or_default();
        reader.finish(program.map(|program| Self { program, collect }))
    }
}

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, children: &ChildHost, log: &dyn LogSink) -> Result<Value, StepError> {
    let Config { program, collect } = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    let inputs =
        to_raw_value(&call.inputs).map_err(|error| StepError::permanent("invalid_input", error.to_string()))?;
    children.run(job(call, Task::Jq(JqCall { program, inputs, collect })), log).await
}

/// Parses the program.
pub(crate) async fn check(config: &Value, children: &ChildHost) -> Result<(), Problems> {
    let program = Config::read(config)?.program;
    let checked = children.check(Task::CheckJq { program }).await;
    checked.map_err(|error| Problem::new("invalid_program", "program", error.message).into())
}
