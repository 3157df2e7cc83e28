//! The commands that are done on a database or through a server, and which of them only look.

use std::process::ExitCode;

use turbocat_application::SourceFile;

use super::{access, apply, budgets, deployment, executions, secrets, template, waiting};
use crate::{
    args::{
        ApprovalsCommand, BudgetsCommand, Command, DeploymentsCommand, EventsCommand, ExecutionsCommand, GlobalArgs,
        KeysCommand, SchedulesCommand, TemplatesCommand, UsageArgs, UsersCommand,
    },
    database::OpenDatabase,
    desk::Desk,
};

/// A command with what it needs besides where it is done.
pub(super) enum Work {
    Apply(Vec<SourceFile>),
    Executions(ExecutionsCommand),
    Events(EventsCommand),
    Approvals(ApprovalsCommand),
    Schedules(SchedulesCommand),
    Templates(TemplatesCommand),
    Deployments(DeploymentsCommand),
    Users(UsersCommand),
    Keys(KeysCommand),
    Secrets(secrets::Prepared),
    Budgets(BudgetsCommand),
    Usage(UsageArgs),
}

/// What a command is.
pub(super) enum Kind {
    /// Work that can be done at any desk.
    Work(Work),
    /// Something of its own.
    Other(Command),
}

impl Kind {
    /// Tells what a command is. What can be refused before anything is opened is refused.
    ///
    /// # Errors
    ///
    /// If a file that is named cannot be read, or is none of documents.
    pub(super) fn of(command: Command) -> anyhow::Result<Self> {
        Ok(Self::Work(match command {
            Command::Apply(args) => Work::Apply(apply::read(&args)?),
            Command::Executions(command) => Work::Executions(command),
            Command::Events(command) => Work::Events(command),
            Command::Approvals(command) => Work::Approvals(command),
            Command::Schedules(command) => Work::Schedules(command),
            Command::Templates(command) => Work::Templates(command),
            Command::Deployments(command) => Work::Deployments(command),
            Command::Users(command) => Work::Users(command),
            Command::Keys(command) => Work::Keys(command),
            Command::Secrets(command) => Work::Secrets(secrets::Prepared::read(command)?),
            Command::Budgets(command) => Work::Budgets(command),
            Command::Usage(args) => Work::Usage(args),
            other => return Ok(Self::Other(other)),
        }))
    }
}

impl Work {
    /// Opens the database that it needs: one that is there to look at, or one that may be made.
    ///
    /// # Errors
    ///
    /// As [`OpenDatabase::open`].
    pub(super) fn open(&self, global: &GlobalArgs) -> anyhow::Result<OpenDatabase> {
        if self.makes_nothing() && !matches!(self, Self::Templates(_)) {
            return OpenDatabase::open_existing(global);
        }
        OpenDatabase::open(global)
    }

    /// Does it on a database.
    ///
    /// # Errors
    ///
    /// Why it could not be done.
    pub(super) async fn on_database(self, url: &str, global: &GlobalArgs) -> anyhow::Result<ExitCode> {
        let desk =
            if self.makes_nothing() { Desk::looking(url, global).await? } else { Desk::prepared(url, global).await? };
        let done = self.at(&desk, global.json).await;
        desk.close().await;
        done
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Why it could not be done.
    pub(super) async fn at(self, desk: &Desk, json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Apply(files) => apply::run(desk, json, &files).await?,
            Self::Executions(command) => return executions::run(desk, json, command).await,
            Self::Events(command) => waiting::events(desk, json, command).await?,
            Self::Approvals(command) => waiting::approvals(desk, json, command).await?,
            Self::Schedules(command) => waiting::schedules(desk, json, command).await?,
            Self::Templates(command) => template::templates(desk, json, command).await?,
            Self::Deployments(command) => return deployment::deployments(desk, json, command).await,
            Self::Users(command) => access::users(desk, json, command).await?,
            Self::Keys(command) => access::keys(desk, json, command).await?,
            Self::Secrets(prepared) => secrets::run(desk, json, prepared).await?,
            Self::Budgets(command) => budgets::budgets(desk, json, command).await?,
            Self::Usage(args) => budgets::usage(desk, json, args).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether it needs a database that is there already, with its administrator.
    const fn makes_nothing(&self) -> bool {
        !matches!(
            self,
            Self::Apply(_) | Self::Users(_) | Self::Keys(_) | Self::Secrets(_) | Self::Budgets(_) | Self::Usage(_)
        )
    }
}
