//! `turbocat secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `turbocat secrets`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    printf %s \"$TOKEN\" | turbocat secrets set GITHUB_TOKEN --host api.github.com\n  \
    turbocat secrets list\n  \
    turbocat secrets delete GITHUB_TOKEN\n  \
    turbocat secrets rotate")]
pub(crate) enum SecretsCommand {
    /// Set a secret: agents name it as ${{ secrets.NAME }}
    #[command(after_help = "Examples:\n  \
        printf %s \"$TOKEN\" | turbocat secrets set GITHUB_TOKEN --host api.github.com\n  \
        turbocat secrets set SIGNING_KEY --file key.txt --host hooks.example.com --user ada@example.com\n\n\
        The value is read from standard input or from a file, never from the command line, which others can see. One \
        line break at its end is dropped. It is shown nowhere again. Without a host it can be sent nowhere, and is for \
        code agents alone.")]
    Set(SecretSetArgs),
    /// List secrets by name, without their values
    #[command(after_help = "Examples:\n  turbocat secrets list\n  turbocat secrets list --user ada@example.com --json")]
    List {
        /// Whose; of the administrator without
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// Delete a secret, for good: what needs it fails from then on
    #[command(after_help = "Example:\n  turbocat secrets delete GITHUB_TOKEN")]
    Delete {
        /// What it is called
        #[arg(value_name = "NAME")]
        name: String,
        /// Whose it is; the administrator's without
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// Put all secrets under a new key; they can be used all the while
    #[command(after_help = "Example:\n  turbocat secrets rotate\n\n\
        With TURBOCAT_SECRETS_KEY no key is made: write the new one before the old one, `NEW,OLD`, restart what runs, \
        rotate, and then take the old one away.")]
    Rotate,
}

/// `turbocat secrets set`.
#[derive(Debug, Args)]
pub(crate) struct SecretSetArgs {
    /// What it is called: letters, digits and _
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A host that it may be sent to
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// The file with the value; standard input without
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Whose it is to be; the administrator's without
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) user: Option<String>,
}
