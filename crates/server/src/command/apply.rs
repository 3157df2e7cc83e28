//! `turbocat apply`: publishes files.

use std::process::ExitCode;

use serde_json::json;
use turbocat_application::{Change, Published, Reading, SourceFile};

use super::{seed_all, source};
use crate::{
    args::{ApplyArgs, GlobalArgs},
    report,
    wire::App,
};

/// Reads the files, and checks them as far as that goes without a database.
///
/// # Errors
///
/// If one of them cannot be read, or is no file of documents.
pub(super) fn read(args: &ApplyArgs) -> anyhow::Result<Vec<SourceFile>> {
    let files = source::read_all(&args.files)?;
    Reading::read(&files)?;
    Ok(files)
}

/// Publishes the files, and says what became of each document.
///
/// # Errors
///
/// If a document has a problem; then nothing is stored.
pub(super) async fn run(url: &str, global: &GlobalArgs, files: &[SourceFile]) -> anyhow::Result<ExitCode> {
    let app = App::prepare(url, global).await?;
    let actor = seed_all(&app).await?;
    let published = app.use_cases.publish(actor, files).await?;
    for warning in &published.warnings {
        report::note(format!("warning: {warning}"));
    }
    for one in &published.published {
        print(one, global.json);
    }
    app.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(published: &Published, json: bool) {
    let Published { kind, name, id, version, change } = published;
    if json {
        report::json_line(&json!({
            "kind": kind.as_str(), "name": name, "id": id, "version": version, "change": change.as_str(),
        }));
        return;
    }
    let which = match change {
        Change::Unchanged | Change::Updated => format!(" (version {version})"),
        Change::Created => String::new(),
    };
    report::line(format!("{:<9} {name}: {}{which}", kind.as_str(), change.as_str()));
}
