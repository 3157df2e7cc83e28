//! What the commands have in common that ask as the administrator.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;
use turbocat_application::Actor;

use crate::{args::GlobalArgs, report, view, wire::App};

/// Who asks, and in which form the answer is wanted.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) actor: Actor,
    pub(super) json: bool,
}

impl Asked {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or there is no account yet.
    pub(super) async fn new(url: &str, global: &GlobalArgs) -> anyhow::Result<Self> {
        let app = App::connect(url, global).await?;
        let actor = app.use_cases.administrator().await?.context("there is no account yet: run `turbocat seed`")?;
        Ok(Self { app, actor, json: global.json })
    }

    /// Closes the connections.
    ///
    /// # Errors
    ///
    /// None: it is the end of a command.
    pub(super) async fn end(self) -> anyhow::Result<ExitCode> {
        self.app.store.close().await;
        Ok(ExitCode::SUCCESS)
    }

    /// A line for each item: of JSON, or of a table.
    pub(super) fn print<T>(
        &self,
        head: &[&str],
        items: &[T],
        (row, line): (impl Fn(&T) -> Vec<String>, impl Fn(&T) -> Value),
    ) {
        if self.json {
            for item in items {
                report::json_line(&line(item));
            }
        } else if items.is_empty() {
            report::note("there are none");
        } else {
            report::line(view::table(head, &items.iter().map(row).collect::<Vec<_>>()));
        }
    }
}
