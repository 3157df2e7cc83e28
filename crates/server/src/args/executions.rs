//! `turbocat executions`.

use clap::{Args, Subcommand};
use turbocat_domain::{execution::ExecutionStatus, execution_log::LogLevel, id::ExecutionId};

/// `turbocat executions`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat executions list --status failed --limit 5\n  \
    turbocat executions start hello --input '{\"name\": \"Ada\"}'\n  \
    turbocat executions wait EXECUTION\n  \
    turbocat executions show EXECUTION\n  \
    turbocat executions logs EXECUTION --follow --level warn\n  \
    turbocat executions pause EXECUTION --reason 'the bank is closed'\n  \
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
    /// Start an execution, and print its id
    Start(StartArgs),
    /// Wait for the end of an execution, and print its output
    #[command(after_help = "Examples:\n  \
        turbocat executions wait exe_01a205b544c771b586e2fac7901cd910\n  \
        turbocat executions wait exe_01a205b544c771b586e2fac7901cd910 --timeout 60 --json\n\n\
        It exits with 0 if the execution completed, with 1 if it did not or has not within the time, and with 130 after \
        Ctrl-C. It runs nothing: a `turbocat up` does.")]
    Wait {
        /// The execution
        #[arg(value_name = "EXECUTION")]
        id: ExecutionId,
        /// For how many seconds at most; for as long as it takes without
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Print the log of an execution
    Logs(LogsArgs),
    /// Pause an execution: what runs of it goes on to its end, and nothing else of it begins
    #[command(after_help = "Examples:\n  \
        turbocat executions pause exe_01a205b544c771b586e2fac7901cd910\n  \
        turbocat executions pause exe_01a205b544c771b586e2fac7901cd910 --reason 'the bank is closed'\n\n\
        Its time goes on: it may time out. Executions that it has started go on. One that is paused already stays as it \
        was paused.")]
    Pause {
        /// The execution
        #[arg(value_name = "EXECUTION")]
        id: ExecutionId,
        /// Why, for those who find it paused: up to 500 characters
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a paused execution go on
    #[command(after_help = "Example:\n  \
        turbocat executions resume exe_01a205b544c771b586e2fac7901cd910")]
    Resume {
        /// The execution
        #[arg(value_name = "EXECUTION")]
        id: ExecutionId,
    },
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

/// `turbocat executions start`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat executions start hello --input '{\"name\": \"Ada\"}'\n  \
    turbocat executions start ship-order --input @order.json --idempotency-key order-7 --wait\n\n\
    It is durable when the id is printed. A `turbocat up` runs it: the one that is asked with --server, else whichever is \
    on the database, now or later.")]
pub(crate) struct StartArgs {
    /// The workflow: its active version is run
    #[arg(value_name = "WORKFLOW")]
    pub(crate) workflow: String,
    /// The input: JSON; `@FILE` for a file; `-` for JSON on standard input [default: {}]
    #[arg(short, long, value_name = "INPUT", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// Starts with the same key and the same input are one start, for a day
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Wait for the end, as `turbocat executions wait` does
    #[arg(long)]
    pub(crate) wait: bool,
}
