//! `turbocat run`.

use std::path::PathBuf;

use clap::Args;

/// `turbocat run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat run examples/dependency-report.yaml --input @Cargo.lock\n  \
    turbocat run examples/hello.yaml --input '{\"name\": \"Ada\"}'\n  \
    echo '{\"name\": \"Ada\"}' | turbocat run examples/hello.yaml --input - --json\n  \
    turbocat run --workflow hello --input '{\"name\": \"Ada\"}'\n\n\
    It finds or starts PostgreSQL, brings the schema up to date, publishes the file, runs the workflow, and prints \
    its output: as YAML on a terminal, as JSON elsewhere. Progress goes to standard error.\n\n\
    It exits with 0 if the execution completed, with 1 if it did not, and with 130 after Ctrl-C: then, and when it is \
    killed half-way, `turbocat up` goes on where it stopped.")]
pub(crate) struct RunArgs {
    /// A file of documents: the workflow, and the agents and workflows that it needs; `-` is standard input. Without
    /// one, --workflow names a workflow that was published before
    #[arg(value_name = "FILE", required_unless_present = "workflow")]
    pub(crate) file: Option<PathBuf>,
    /// The input: JSON; `@FILE` for a file (JSON and YAML as their value, any other text as name and text); `-` for
    /// JSON on standard input [default: {}]
    #[arg(short, long, value_name = "INPUT", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// Which workflow to run [default: the one of the file that no agent of it calls]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
}
