//! `turbocat executions`.

use clap::{Args, Subcommand};
use turbocat_domain::{execution::ExecutionStatus, execution_log::LogLevel, id::ExecutionId};

/// `turbocat executions`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat executions list --status failed --limit 5\n  \
    turbocat executions show EXECUTION\n  \
    turbocat executions logs EXECUTION --follow --level warn\n  \
    turbocat executions cancel EXECUTION\n\n\
    All times are UTC. `show --json` has the whole input and the whole output of every step.")]
pub(crate) enum ExecutionsCommand {
    /// List executions, newest first
    List(ListArgs),
    /// Show an execution: how it was started, its steps and their turns and calls, its output or its error
    #[command(after_help = "Example:\n  \
        turbocat executions show exe_01a205b544c771b586e2fac7901cd910\n\n\
        Times are UTC. Long values are cut; --json has the whole input, and the whole output of every step.")]
    Show {
        /// The execution
        #[arg(value_name = "EXECUTION")]
        id: ExecutionId,
    },
    /// Print the log of an execution
    Logs(LogsArgs),
    /// Cancel an execution
    #[command(after_help = "Example:\n  \
        turbocat executions cancel exe_01a205b544c771b586e2fac7901cd910\n\n\
        The process that has the execution stops its steps; if none has it, the next `turbocat up` ends it.")]
    Cancel {
        /// The execution
        #[arg(value_name = "EXECUTION")]
        id: ExecutionId,
    },
}

/// `turbocat executions list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat executions list --status failed --limit 5\n  \
    turbocat executions list --workflow hello --json\n\n\
    Times are UTC.")]
pub(crate) struct ListArgs {
    /// Only executions in this status: pending, running, completed, failed, cancelled or timeout
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<ExecutionStatus>,
    /// Only executions of the active version of this workflow
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
}

/// `turbocat executions logs`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    turbocat executions logs exe_01a205b544c771b586e2fac7901cd910 --follow --level warn")]
pub(crate) struct LogsArgs {
    /// The execution
    #[arg(value_name = "EXECUTION")]
    pub(crate) id: ExecutionId,
    /// Go on until the execution has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only lines of this level and above: debug, info, warn, error or fatal
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<LogLevel>,
    /// Only lines of this step: its key, without the number of a round or an item
    #[arg(long, value_name = "KEY")]
    pub(crate) step: Option<String>,
}
