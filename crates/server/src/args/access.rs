//! `turbocat users` and `turbocat keys`.

use clap::{Args, Subcommand};
use turbocat_domain::{id::ApiKeyId, user::UserRole};

/// `turbocat users`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat users create --email ada@example.com --name 'Ada Lovelace'\n  \
    turbocat users list")]
pub(crate) enum UsersCommand {
    /// Make an account
    #[command(after_help = "Examples:\n  \
        turbocat users create --email ada@example.com --name 'Ada Lovelace'\n  \
        TURBOCAT_USER_PASSWORD=… turbocat users create --email ada@example.com\n  \
        turbocat users create --email ci@example.com --role agent\n\n\
        Without a password nobody can log in to the account, but keys can be made for it. A service account (role \
        agent) runs what exists and changes nothing; it has no password.")]
    Create(UserCreateArgs),
    /// List accounts, newest first
    #[command(after_help = "Examples:\n  turbocat users list\n  turbocat users list --json")]
    List {
        /// The most accounts
        #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
}

/// `turbocat users create`.
#[derive(Debug, Args)]
pub(crate) struct UserCreateArgs {
    /// The address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: String,
    /// What the user is called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What the user may do: admin, user or agent
    #[arg(long, default_value_t = UserRole::User, value_name = "ROLE")]
    pub(crate) role: UserRole,
    /// The password
    #[arg(long, env = "TURBOCAT_USER_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

/// `turbocat keys`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat keys create --name laptop --scope '*'\n  \
    turbocat keys list\n  \
    turbocat keys revoke key_01920000000070008000000000000001")]
pub(crate) enum KeysCommand {
    /// Make an API key, and print it: it is shown this once
    #[command(after_help = "Examples:\n  \
        turbocat keys create --name laptop --scope '*'\n  \
        turbocat keys create --user ada@example.com --name ci --scope executions:start --scope executions:read\n  \
        export TURBOCAT_KEY=$(turbocat keys create --name shell --scope '*' --expires-in-days 1)\n\n\
        The key alone goes to standard output, what is to be said about it to standard error.")]
    Create(KeyCreateArgs),
    /// List the keys of a user, newest first
    #[command(after_help = "Examples:\n  turbocat keys list\n  turbocat keys list --user ada@example.com --json")]
    List {
        /// Whose; of the administrator without
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// Revoke a key, for good
    #[command(after_help = "Example:\n  turbocat keys revoke key_01920000000070008000000000000001")]
    Revoke {
        /// The id of the key, as `turbocat keys list` shows it
        #[arg(value_name = "KEY")]
        id: ApiKeyId,
    },
}

/// `turbocat keys create`.
#[derive(Debug, Args)]
pub(crate) struct KeyCreateArgs {
    /// What the key is called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do: `workflows:read`, `executions:*`, or `*` for all that its owner may
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Whose it is to be; the administrator's without
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) user: Option<String>,
    /// In how many days it ends; never without
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) expires_in_days: Option<u32>,
    /// How many requests it may make in a minute
    #[arg(long, value_name = "COUNT")]
    pub(crate) rate_limit_per_minute: Option<u32>,
}
