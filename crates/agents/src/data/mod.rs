//! Data agents: a program in jq that makes one JSON value of another, run in a child process of its own, or a query in
//! SQL over tables ([`sql`]).
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
mod sql;
mod value;

use serde_json::{Value, value::to_raw_value};
use turbocat_domain::{
    port::{AgentCall, LogSink, TabularSql},
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
pub(crate) enum Config {
    /// A program in jq.
    Jq { program: String, collect: bool },
    /// A query in SQL.
    Sql(sql::Config),
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        if config.get("sql").is_some_and(|sql| !sql.is_null()) {
            if reader.value("program").is_some() {
                reader.problem("program", "cannot stand beside `sql`: an agent has one of them");
            }
            let read = sql::Config::read(&mut reader);
            return reader.finish(read.map(Self::Sql));
        }
        let program = reader.required_text("program", "a program in jq, or `sql`, a query").map(str::to_owned);
        if let Some(program) = program.as_ref().filter(|program| program.len() > PROGRAM_BYTES_MAX) {
            reader.problem("program", format!("has {} bytes; {PROGRAM_BYTES_MAX} are allowed", program.len()));
        }
        let collect = reader.flag("collect").unwrap_or_default();
        reader.finish(program.map(|program| Self::Jq { program, collect }))
    }
}

/// What runs programs and queries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machines<'a> {
    pub(crate) children: &'a ChildHost,
    /// Without it there is no SQL.
    pub(crate) tables: Option<&'a dyn TabularSql>,
}

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, with: Machines<'_>, log: &dyn LogSink) -> Result<Value, StepError> {
    let (program, collect) = match Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))? {
        Config::Jq { program, collect } => (program, collect),
        Config::Sql(query) => return sql::run(&query, call, with.tables).await,
    };
    let inputs =
        to_raw_value(&call.inputs).map_err(|error| StepError::permanent("invalid_input", error.to_string()))?;
    with.children.run(job(call, Task::Jq(JqCall { program, inputs, collect })), log).await
}

/// Parses the program.
pub(crate) async fn check(config: &Value, with: Machines<'_>) -> Result<(), Problems> {
    match Config::read(config)? {
        Config::Jq { program, .. } => {
            let checked = with.children.check(Task::CheckJq { program }).await;
            checked.map_err(|error| Problem::new("invalid_program", "program", error.message).into())
        }
        Config::Sql(query) => sql::check(&query, with.tables).await,
    }
}
