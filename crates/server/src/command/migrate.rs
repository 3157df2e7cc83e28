//! `turbocat migrate`: the schema.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use crate::{
    args::{GlobalArgs, MigrateCommand},
    report,
};

/// Changes the schema, or says how it stands.
///
/// # Errors
///
/// If the database refuses, or a loss of data was not meant.
pub(super) async fn run(url: &str, global: &GlobalArgs, command: MigrateCommand) -> anyhow::Result<ExitCode> {
    match command {
        MigrateCommand::Up => print(&turbocat_migration::up(url).await?, "applied", global.json),
        MigrateCommand::Down { steps, all, yes } => {
            let steps = if all { u32::MAX } else { steps };
            if !yes {
                bail!("undoing migrations deletes what is stored in their tables; say --yes if that is meant");
            }
            print(&turbocat_migration::down(url, steps).await?, "undone", global.json);
        }
        MigrateCommand::Status => status(url, global.json).await?,
        MigrateCommand::Grant { role } => {
            turbocat_migration::grant(url, &role).await?;
            if global.json {
                report::json_line(&json!({ "role": role, "change": "granted" }));
            } else {
                report::line(format!("{role}: granted; run the server as it, and migrations as this one"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(names: &[String], change: &str, json: bool) {
    for name in names {
        if json {
            report::json_line(&json!({ "migration": name, "change": change }));
        } else {
            report::line(format!("{name}: {change}"));
        }
    }
    if names.is_empty() && !json {
        report::line("nothing to do");
    }
}

async fn status(url: &str, json: bool) -> anyhow::Result<()> {
    for migration in turbocat_migration::status(url).await? {
        if json {
            report::json_line(&json!({ "migration": migration.name, "applied": migration.applied }));
        } else {
            report::line(format!("{}: {}", migration.name, if migration.applied { "applied" } else { "not applied" }));
        }
    }
    Ok(())
}
