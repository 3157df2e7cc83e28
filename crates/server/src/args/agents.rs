//! The arguments of `turbocat agents`.

use clap::Subcommand;
use turbocat_domain::agent::AgentType;

/// What to look at.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  turbocat agents types\n  turbocat agents schema api > agent-api.json")]
pub(crate) enum AgentsCommand {
    /// List the types of agents
    #[command(after_help = "Example:\n  turbocat agents types --json")]
    Types,
    /// Print the JSON Schema of the config of a type
    #[command(after_help = "Example:\n  turbocat agents schema api > agent-api.json")]
    Schema {
        /// code, api, llm, data or workflow
        #[arg(value_name = "TYPE")]
        kind: AgentType,
    },
}
