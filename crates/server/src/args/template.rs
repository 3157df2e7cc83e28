//! `turbocat templates`.

use clap::{Args, Subcommand};
use turbocat_domain::id::TemplateId;

/// `turbocat templates`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat templates list\n  \
    turbocat templates show TEMPLATE\n  \
    turbocat templates use TEMPLATE --name my-digest\n\n\
    They are the administrator's, those that are public, and those that come with Turbocat.")]
pub(crate) enum TemplatesCommand {
    /// List templates, newest first
    #[command(
        after_help = "Examples:\n  turbocat templates list\n  turbocat templates list --search 'web digest' --json"
    )]
    List {
        /// Only those in whose name, description or tags all these words are found
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// The most templates
        #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Show what a template copies, as JSON
    #[command(after_help = "Example:\n  turbocat templates show tpl_01a205b544c771b586e2fac7901cd910")]
    Show {
        /// The template
        #[arg(value_name = "TEMPLATE")]
        id: TemplateId,
    },
    /// Make an agent or a workflow of a template, active at once; print the step of one that is a step
    #[command(after_help = "Examples:\n  \
        turbocat templates use tpl_01a205b544c771b586e2fac7901cd910\n  \
        turbocat templates use tpl_01a205b544c771b586e2fac7901cd910 --name mine \
        --changes '{\"settings\": {\"timeout_ms\": 60000}}'\n\n\
        Nothing that is there is changed: if something else has the name, choose another one.")]
    Use(TemplateUseArgs),
}

/// `turbocat templates use`.
#[derive(Debug, Args)]
pub(crate) struct TemplateUseArgs {
    /// The template
    #[arg(value_name = "TEMPLATE")]
    pub(crate) id: TemplateId,
    /// What the agent or the workflow is to be called, if not as in the template
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What is to be otherwise in its document: a JSON merge patch (RFC 7396), @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) changes: Option<String>,
}
