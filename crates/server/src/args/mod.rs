//! The command line, as types.

mod access;
mod agents;
mod audit;
mod budgets;
mod deployment;
mod executions;
mod run;
mod secrets;
mod template;
mod up;
mod waiting;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    access::{KeyCreateArgs, KeysCommand, UserCreateArgs, UsersCommand},
    agents::AgentsCommand,
    audit::AuditCommand,
    budgets::{BudgetSetArgs, BudgetsCommand, UsageArgs},
    deployment::{DeployedArgs, DeploymentCreateArgs, DeploymentListArgs, DeploymentUpdateArgs, DeploymentsCommand},
    executions::{ExecutionsCommand, ListArgs, LogsArgs, StartArgs},
    run::RunArgs,
    secrets::{SecretSetArgs, SecretsCommand},
    template::{TemplateUseArgs, TemplatesCommand},
    up::{DEFAULT_LISTEN, UpArgs},
    waiting::{ApprovalsCommand, DecisionArgs, EventsCommand, SchedulesCommand},
};

/// Runs workflows that survive everything: crashes, restarts, deploys.
#[derive(Debug, Parser)]
#[command(
    name = "turbocat",
    version,
    about = "Durable workflows on PostgreSQL",
    long_about = "Runs workflows of agents that survive crashes, restarts and deploys, on nothing but PostgreSQL.\n\n\
        Without a database URL it uses a PostgreSQL of its own, started from the installed binaries and kept in \
        the data folder.",
    after_help = "Begin with:\n  \
        turbocat run examples/dependency-report.yaml --input @Cargo.lock\n  \
        turbocat doctor\n\n\
        Exit codes: 0 done, 1 failed (a command, an execution, or a finding of doctor), 2 misused, 130 interrupted.\n\
        What else the environment can say is in docs/configuration.md.",
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// The server to go through, instead of a database: http://HOST:PORT of a `turbocat up`. The key is `TURBOCAT_API_KEY`
    #[arg(long, env = "TURBOCAT_SERVER", global = true, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// The database to use, instead of one of Turbocat's own: postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL",
        help_heading = "Database"
    )]
    database_url: Option<String>,
    /// Where Turbocat's own database lives [default: ~/.local/share/turbocat, for root /var/lib/turbocat]
    #[arg(long, env = "TURBOCAT_DATA_DIR", global = true, value_name = "FOLDER", help_heading = "Database")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Install PostgreSQL with the system's package manager if there is none
    #[arg(long, global = true, help_heading = "Database")]
    pub(crate) install_postgres: bool,
    /// Accept a database that can lose what it has acknowledged, because fsync or synchronous commits are off
    #[arg(long, global = true, help_heading = "Database")]
    pub(crate) allow_unsafe_database: bool,
    /// Print for programs: one JSON object a line
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// What to log to standard error: `debug`, or `warn,turbocat_engine=debug` [default: error, for `up` info]
    #[arg(long, env = "RUST_LOG", global = true, value_name = "FILTER", help_heading = "Output")]
    pub(crate) log: Option<String>,
}

impl GlobalArgs {
    /// The server that is named; a variable that is set to nothing names none.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref().map(str::trim).filter(|url| !url.is_empty())
    }

    /// The database that is named; a variable that is set to nothing names none.
    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.trim().is_empty())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a file of agents and workflows, run a workflow of it, and show how it goes
    Run(RunArgs),
    /// Serve: run the executions that come in, until Ctrl-C or SIGTERM
    Up(UpArgs),
    /// Publish agents and workflows; what is unchanged stays as it is
    Apply(ApplyArgs),
    /// List the types of agents, or print the JSON Schema of the config of one
    #[command(subcommand)]
    Agents(AgentsCommand),
    /// Start executions, look at them, wait for them, or cancel one
    #[command(subcommand, visible_alias = "exec")]
    Executions(ExecutionsCommand),
    /// Send an event to the executions that wait for it
    #[command(subcommand)]
    Events(EventsCommand),
    /// List the decisions that executions wait for, and decide
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Look at schedules: when each fires next, and what became of its last times
    #[command(subcommand)]
    Schedules(SchedulesCommand),
    /// Look at templates, and make agents and workflows of them
    #[command(subcommand)]
    Templates(TemplatesCommand),
    /// Run versions of workflows and agents under names, in environments
    #[command(subcommand)]
    Deployments(DeploymentsCommand),
    /// Make accounts, or list them
    #[command(subcommand)]
    Users(UsersCommand),
    /// Make, list and revoke API keys: what programs call the HTTP API with
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look whether the audit log is what it was
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Set, list and delete secrets of agents, or put them under a new key
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Set how much language models may use, or look how much of it is left
    #[command(subcommand)]
    Budgets(BudgetsCommand),
    /// Look at what language models used: tokens and dollars by day, agent, workflow, model or user
    #[command(after_help = "Examples:\n  \
        turbocat usage\n  \
        turbocat usage --by agent --from 2026-01-01 --json\n\n\
        Costs are by a table of prices, which TURBOCAT_PRICES extends; a turn of a model without a price counts its \
        tokens alone.")]
    Usage(UsageArgs),
    /// Change the schema of the database, or say how it stands
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Make the first account and the official templates; what is there stays
    Seed(SeedArgs),
    /// Look at everything that Turbocat needs, and say what to do about what is missing
    #[command(after_help = "Examples:\n  \
        turbocat doctor\n  \
        turbocat doctor --database-url postgres://turbocat@db/turbocat\n\n\
        It changes nothing. It exits with 1 if something is broken; a warning is not.")]
    Doctor,
    /// Measure the engine against what this PostgreSQL can do at best
    #[command(after_help = "Examples:\n  \
        turbocat bench\n  \
        turbocat bench --workload chain,single --seconds 5 --json\n  \
        turbocat bench --workload history --history 1000000,10000000\n  \
        turbocat bench --gates\n  \
        turbocat bench --attach --database-url postgres://turbocat@db/turbocat\n\n\
        Without a database URL it starts a private PostgreSQL with fsync on and throws it away afterwards. With one, it \
        makes databases of its own beside the one that is named, which is left alone, and drops them; CPU times of a \
        server that is not its own are not known. With --attach it starts no engine: it publishes a workflow in the \
        database that is named, inserts executions for a running `turbocat up` to claim, and looks their ends up.\n\n\
        What the figures mean is in docs/performance.md.")]
    Bench(turbocat_bench::BenchArgs),
    /// Kill, pause and cut off workers and their database, and check that nothing is lost or done twice
    Chaos(turbocat_chaos::ChaosArgs),
}

/// `turbocat apply`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat apply -f examples/dependency-report.yaml\n  \
    turbocat apply -f agents.yaml workflows.yaml\n\n\
    All files are one unit: if any document has a problem, all problems are printed and nothing is stored.")]
pub(crate) struct ApplyArgs {
    /// A file of documents (YAML, or JSON if it ends in .json); `-` is standard input
    #[arg(short, long = "file", required = true, value_name = "FILE", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
}

/// `turbocat migrate`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat migrate status\n  \
    turbocat migrate up --database-url postgres://turbocat@db/turbocat\n  \
    turbocat migrate down 1 --yes\n  \
    turbocat migrate grant turbocat_app --database-url postgres://turbocat_owner@db/turbocat\n\n\
    `run`, `apply`, `seed` and `up` bring the schema up to date by themselves, if their role may.")]
pub(crate) enum MigrateCommand {
    /// Bring the schema up to date
    Up,
    /// Undo the last migrations. What is stored in the tables that they made is lost
    Down {
        /// How many migrations to undo
        #[arg(default_value_t = 1, value_name = "COUNT")]
        steps: u32,
        /// Undo all of them
        #[arg(long, conflicts_with = "steps")]
        all: bool,
        /// Do it: without this, nothing is undone
        #[arg(long)]
        yes: bool,
    },
    /// Say which migrations are applied, and which are not
    Status,
    /// Give a role exactly what the server needs: no change of tables, and of the audit log only to append to it. Run it
    /// as the owner of the tables
    Grant {
        /// The role. It must be there: CREATE ROLE name LOGIN PASSWORD '…'
        #[arg(value_name = "ROLE")]
        role: String,
    },
}

/// `turbocat seed`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    TURBOCAT_ADMIN_PASSWORD=… turbocat seed\n\n\
    Who can start this program on a database needs no password. `run`, `apply` and `up` make the account, too.")]
pub(crate) struct SeedArgs {
    /// The password of admin@turbocat.dev, if it has none yet. Without one nobody can log in with a password
    #[arg(long, env = "TURBOCAT_ADMIN_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub(crate) admin_password: Option<String>,
}

impl Command {
    /// What it is called.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Up(_) => "up",
            Self::Apply(_) => "apply",
            Self::Agents(_) => "agents",
            Self::Executions(_) => "executions",
            Self::Events(_) => "events",
            Self::Approvals(_) => "approvals",
            Self::Schedules(_) => "schedules",
            Self::Templates(_) => "templates",
            Self::Users(_) => "users",
            Self::Keys(_) => "keys",
            Self::Audit(_) => "audit",
            Self::Secrets(_) => "secrets",
            Self::Budgets(_) => "budgets",
            Self::Usage(_) => "usage",
            Self::Deployments(_) => "deployments",
            Self::Migrate(_) => "migrate",
            Self::Seed(_) => "seed",
            Self::Doctor => "doctor",
            Self::Bench(_) => "bench",
            Self::Chaos(_) => "chaos",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    /// The words of a line as a shell reads it, as far as quotes go.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in line.split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_command_of_the_readme_is_understood() {
        let readme = include_str!("../../../../README.md");
        let mut tried = 0;
        for line in readme.lines().map(|line| line.replace("cargo run --release --", "turbocat")) {
            if line.starts_with("turbocat ") {
                assert!(Cli::try_parse_from(words(&line)).is_ok(), "{line}");
                tried += 1;
            }
        }
        assert!(tried >= 5, "only {tried} were tried");
    }

    #[test]
    fn the_workflow_of_the_readme_is_the_example() {
        let (_, example) = include_str!("../../../../examples/hello.yaml").split_once("\n\n").unwrap();

        assert!(include_str!("../../../../README.md").contains(example.trim()));
    }

    #[test]
    fn every_variable_is_documented() {
        let documented = include_str!("../../../../docs/configuration.md");
        let subcommands = Cli::command().get_subcommands().cloned().collect::<Vec<_>>();
        let mut seen = 0;
        for command in subcommands.iter().chain([&Cli::command()]) {
            for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
                let variable = variable.to_str().unwrap();
                assert!(documented.contains(&format!("| `{variable}` |")), "{variable}");
                seen += 1;
            }
        }
        assert!(seen >= 7, "only {seen} were seen");
    }

    #[test]
    fn every_command_has_an_example() {
        let mut shown = 0;
        let mut commands: Vec<(String, clap::Command)> = vec![("turbocat".to_owned(), Cli::command())];
        while let Some((name, command)) = commands.pop() {
            let below = command.get_subcommands().map(|below| (format!("{name} {}", below.get_name()), below.clone()));
            commands.extend(below);
            // Those of `migrate` are told together, by it.
            if !name.starts_with("turbocat migrate ") && name != "turbocat" {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example") && help.contains(&name), "{name}");
                shown += 1;
            }
        }
        assert_eq!(shown, 66);
    }

    #[test]
    fn options_for_all_commands_stand_before_or_behind_the_command() {
        for line in ["turbocat --json doctor --data-dir /d", "turbocat doctor --data-dir /d --json"] {
            let cli = parse(line).unwrap();
            assert!(cli.global.json, "{line}");
            assert_eq!(cli.global.data_dir, Some(PathBuf::from("/d")), "{line}");
        }
    }

    #[test]
    fn run_takes_a_file_and_an_input() {
        let cli = parse("turbocat run w.yaml --input @Cargo.lock --workflow report").unwrap();
        let Command::Run(run) = cli.command else { panic!("not run") };

        assert_eq!(run.file, Some(PathBuf::from("w.yaml")));
        assert_eq!((run.input.as_deref(), run.workflow.as_deref()), (Some("@Cargo.lock"), Some("report")));
        assert!(parse("turbocat run").is_err());
        assert!(parse("turbocat run --workflow report").is_ok());
    }

    #[test]
    fn apply_takes_files_with_one_flag_or_several() {
        for line in ["turbocat apply -f a.yaml b.yaml", "turbocat apply -f a.yaml -f b.yaml"] {
            let Command::Apply(apply) = parse(line).unwrap().command else { panic!("not apply") };
            assert_eq!(apply.files, [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]);
        }
        assert!(parse("turbocat apply").is_err());
    }

    #[test]
    fn up_listens_on_this_machine_alone_unless_told_otherwise() {
        let Command::Up(up) = parse("turbocat up").unwrap().command else { panic!("not up") };

        assert_eq!(up.listen, "127.0.0.1:8484");
        assert!(parse("turbocat up --listen localhost:80").is_ok());
        for wrong in ["nowhere", "8484", ":8484", "localhost:http", "localhost:80000"] {
            assert!(parse(&format!("turbocat up --listen {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(parse("turbocat up --tls-cert a.pem --tls-key b.pem").is_ok());
        assert!(parse("turbocat up --tls-cert a.pem").is_err() && parse("turbocat up --tls-key b.pem").is_err());
    }

    #[test]
    fn metrics_are_served_nowhere_unless_told_so() {
        let Command::Up(up) = parse("turbocat up").unwrap().command else { panic!("not up") };
        assert_eq!(up.metrics, None);
        let Command::Up(up) = parse("turbocat up --metrics 127.0.0.1:9484").unwrap().command else { panic!("not up") };
        assert_eq!(up.metrics.as_deref(), Some("127.0.0.1:9484"));
        assert!(parse("turbocat up --metrics 9484").is_err());
    }

    #[test]
    fn down_undoes_one_migration_and_only_if_it_is_meant() {
        let Command::Migrate(command) = parse("turbocat migrate down").unwrap().command else { panic!("not migrate") };
        assert!(matches!(command, MigrateCommand::Down { steps: 1, all: false, yes: false }));
        assert!(parse("turbocat migrate down 2 --all").is_err());
    }

    #[test]
    fn secrets_of_the_environment_are_not_in_the_help() {
        let mut secrets = 0;
        for command in [Cli::command(), SeedArgs::augment_args(clap::Command::new("seed"))] {
            for argument in command.get_arguments().filter(|argument| argument.get_env().is_some()) {
                let name = argument.get_id().as_str();
                let is_secret = name.contains("url") || name.contains("password");
                assert_eq!(argument.is_hide_env_values_set(), is_secret, "{name}");
                secrets += usize::from(is_secret);
            }
        }
        assert_eq!(secrets, 2);
    }
}
