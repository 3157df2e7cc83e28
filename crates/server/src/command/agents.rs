//! `turbocat agents`: what types of agents there are, and the form of their configs. Needs no database.

use std::process::ExitCode;

use serde_json::json;
use turbocat_application::agent_types;

use crate::{args::AgentsCommand, report};

/// Prints what is asked for.
pub(super) fn run(command: &AgentsCommand, is_json: bool) -> ExitCode {
    match command {
        AgentsCommand::Types => {
            for one in agent_types() {
                if is_json {
                    report::json_line(&json!({ "type": one.kind.as_str(), "description": one.description }));
                } else {
                    report::line(format!("{:<10} {}", one.kind.as_str(), one.description));
                }
            }
        }
        AgentsCommand::Schema { kind } => {
            let schemas = agent_types().iter().filter(|one| one.kind == *kind);
            schemas.for_each(|one| report::line(one.config_schema.trim_end()));
        }
    }
    ExitCode::SUCCESS
}
