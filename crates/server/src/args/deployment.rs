//! `turbocat deployments`.

use clap::{Args, Subcommand};
use turbocat_domain::{
    deployment::{DeploymentStatus, Environment},
    id::DeploymentId,
};

/// `turbocat deployments`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat deployments create --name report --workflow daily-report --environment staging\n  \
    turbocat deployments activate DEPLOYMENT\n  \
    turbocat deployments start DEPLOYMENT --input '{\"topic\": \"cats\"}'\n  \
    turbocat deployments rollback DEPLOYMENT\n\n\
    A deployment runs the version that it was pointed at, whatever is published later. They are made for the \
    administrator, through a server for the owner of the key.")]
pub(crate) enum DeploymentsCommand {
    /// List deployments, newest first
    List(DeploymentListArgs),
    /// Show a deployment, as JSON
    #[command(after_help = "Example:\n  turbocat deployments show dpl_01a205b544c771b586e2fac7901cd910")]
    Show {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Make a deployment of the active version of a workflow or of an agent; it is stopped
    #[command(after_help = "Examples:\n  \
        turbocat deployments create --name report --workflow daily-report\n  \
        turbocat deployments create --name reader --agent web-reader --environment development \
        --env '{\"REGION\": \"eu\", \"TOKEN\": {\"$secret\": \"API_TOKEN\"}}'\n\n\
        Expressions of what is deployed read its variables as `env.NAME`.")]
    Create(DeploymentCreateArgs),
    /// Change what a deployment runs, or how: a new revision
    #[command(after_help = "Examples:\n  \
        turbocat deployments update dpl_01a205b544c771b586e2fac7901cd910 --workflow daily-report\n  \
        turbocat deployments update dpl_01a205b544c771b586e2fac7901cd910 --env '{\"REGION\": \"us\"}'")]
    Update(DeploymentUpdateArgs),
    /// Let a deployment answer
    #[command(after_help = "Example:\n  turbocat deployments activate dpl_01a205b544c771b586e2fac7901cd910")]
    Activate {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Keep a deployment from answering; what it has begun goes on
    #[command(after_help = "Example:\n  turbocat deployments stop dpl_01a205b544c771b586e2fac7901cd910")]
    Stop {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Start an execution of what a deployment runs, and print its id
    #[command(after_help = "Example:\n  \
        turbocat deployments start dpl_01a205b544c771b586e2fac7901cd910 --input @topic.json\n\n\
        A process that runs `turbocat up` does it.")]
    Start {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
        /// The input: JSON, @FILE, or - for standard input
        #[arg(long, value_name = "JSON")]
        input: Option<String>,
    },
    /// Give a deployment a new key, and print it: who has it asks the deployment, and can do nothing else
    #[command(after_help = "Example:\n  \
        turbocat deployments key dpl_01a205b544c771b586e2fac7901cd910\n\n\
        It is shown this once, and takes the place of the one before.")]
    Key {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// List what a deployment ran, newest first
    #[command(after_help = "Example:\n  turbocat deployments revisions dpl_01a205b544c771b586e2fac7901cd910")]
    Revisions {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Go back to what a deployment ran before: a new revision
    #[command(after_help = "Examples:\n  \
        turbocat deployments rollback dpl_01a205b544c771b586e2fac7901cd910\n  \
        turbocat deployments rollback dpl_01a205b544c771b586e2fac7901cd910 --revision 3")]
    Rollback {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
        /// The revision, as `turbocat deployments revisions` shows it [default: the one before the latest]
        #[arg(long, value_name = "NUMBER")]
        revision: Option<u32>,
    },
    /// Look whether a deployment works; exits with 1 if it does not
    #[command(after_help = "Example:\n  turbocat deployments health dpl_01a205b544c771b586e2fac7901cd910")]
    Health {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Delete a deployment; it can be restored
    #[command(after_help = "Example:\n  turbocat deployments delete dpl_01a205b544c771b586e2fac7901cd910")]
    Delete {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Undo a delete
    #[command(after_help = "Example:\n  turbocat deployments restore dpl_01a205b544c771b586e2fac7901cd910")]
    Restore {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
}

/// `turbocat deployments list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat deployments list\n  \
    turbocat deployments list --environment production --status running --json")]
pub(crate) struct DeploymentListArgs {
    /// Only in this environment: development, staging or production
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<Environment>,
    /// Only in this status: stopped, starting, running, stopping, failed or maintenance
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<DeploymentStatus>,
    /// Only those in whose name or description all these words are found
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
}

/// `turbocat deployments create`.
#[derive(Debug, Args)]
pub(crate) struct DeploymentCreateArgs {
    /// What it is called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Where it runs: development, staging or production
    #[arg(long, default_value_t, value_name = "ENVIRONMENT")]
    pub(crate) environment: Environment,
    /// What it runs, and how.
    #[command(flatten)]
    pub(crate) run: DeployedArgs,
}

/// `turbocat deployments update`.
#[derive(Debug, Args)]
pub(crate) struct DeploymentUpdateArgs {
    /// The deployment
    #[arg(value_name = "DEPLOYMENT")]
    pub(crate) id: DeploymentId,
    /// What it is called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// What it runs, and how.
    #[command(flatten)]
    pub(crate) run: DeployedArgs,
}

/// What a deployment runs, and how.
#[derive(Debug, Args)]
pub(crate) struct DeployedArgs {
    /// The workflow whose active version is deployed, or the id of a version
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    pub(crate) workflow: Option<String>,
    /// The agent whose active version is deployed, or the id of a version
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// Its settings: JSON with `input` and `timeout_ms`, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// Its variables: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) env: Option<String>,
    /// The most memory that a program of an agent may have, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory_mb: Option<u32>,
    /// Its share of the processor, against that of others; 1024 is an ordinary one
    #[arg(long, value_name = "SHARES")]
    pub(crate) cpu_shares: Option<u32>,
}
