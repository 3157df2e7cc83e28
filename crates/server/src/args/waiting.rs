//! `turbocat events`, `turbocat approvals` and `turbocat schedules`.

use clap::{Args, Subcommand};
use turbocat_domain::id::{ExecutionId, WorkflowId};

/// `turbocat events`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  turbocat events send order.paid --payload '{\"order\": 7}'")]
pub(crate) enum EventsCommand {
    /// Send an event: it wakes the executions that wait for its name, and starts the workflows that it triggers
    #[command(after_help = "Examples:\n  \
        turbocat events send order.paid --payload '{\"order\": 7}'\n  \
        turbocat events send order.paid --payload @order.json\n\n\
        It reaches the administrator's executions and workflows, those of this command line. An event is kept: a wait with \
        `lookback_ms` finds it later.")]
    Send {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// What is known about it: JSON, @FILE, or - for standard input
        #[arg(long, value_name = "JSON")]
        payload: Option<String>,
    },
}

/// `turbocat approvals`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat approvals list\n  \
    turbocat approvals approve EXECUTION ask\n  \
    turbocat approvals refuse EXECUTION ask --comment 'too expensive'\n\n\
    They are the administrator's: of executions that this command line starts, or that ask for admin@turbocat.dev.")]
pub(crate) enum ApprovalsCommand {
    /// List the decisions that executions wait for
    #[command(after_help = "Examples:\n  turbocat approvals list\n  turbocat approvals list --json")]
    List {
        /// The most executions
        #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Let an execution go on
    #[command(after_help = "Examples:\n  \
        turbocat approvals approve exe_01a205b544c771b586e2fac7901cd910 ask\n  \
        turbocat approvals approve exe_01a205b544c771b586e2fac7901cd910 ask --button now --data '{\"amount\": 3}'")]
    Approve(DecisionArgs),
    /// Refuse what an execution asks for
    #[command(after_help = "Example:\n  \
        turbocat approvals refuse exe_01a205b544c771b586e2fac7901cd910 ask --comment 'too expensive'")]
    Refuse(DecisionArgs),
}

/// What is decided.
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    /// The execution
    #[arg(value_name = "EXECUTION")]
    pub(crate) id: ExecutionId,
    /// The path of the step that waits, as `turbocat approvals list` shows it
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Which of the step's buttons
    #[arg(long, value_name = "NAME")]
    pub(crate) button: Option<String>,
    /// What is filled into the step's form: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
}

/// `turbocat schedules`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  turbocat schedules list\n  turbocat schedules ticks WORKFLOW\n\nTimes are UTC.")]
pub(crate) enum SchedulesCommand {
    /// List the schedules of active workflows, and when each fires next
    #[command(after_help = "Examples:\n  turbocat schedules list\n  turbocat schedules list --json")]
    List {
        /// The most schedules
        #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Say what became of the last times of a schedule, newest first
    #[command(after_help = "Example:\n  \
        turbocat schedules ticks wfl_01a205b544c771b586e2fac7901cd910\n\n\
        They are kept for seven days.")]
    Ticks {
        /// The version of the workflow, as `turbocat schedules list` shows it
        #[arg(value_name = "WORKFLOW")]
        id: WorkflowId,
        /// The most times
        #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
}
