//! `turbocat apply`: publishes files.

use serde_json::json;
use turbocat_application::{Reading, SourceFile};
use turbocat_client::Published;

use super::source;
use crate::{args::ApplyArgs, desk::Desk, report};

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
pub(super) async fn run(desk: &Desk, json: bool, files: &[SourceFile]) -> anyhow::Result<()> {
    for one in &publish(desk, files).await? {
        print(one, json);
    }
    Ok(())
}

/// Publishes the files, and tells of what is understood but not acted on.
///
/// # Errors
///
/// If a document has a problem; then nothing is stored.
pub(super) async fn publish(desk: &Desk, files: &[SourceFile]) -> anyhow::Result<Vec<Published>> {
    let publication = desk.publish(files).await?;
    for warning in &publication.warnings {
        report::note(format!("warning: {warning}"));
    }
    Ok(publication.published)
}

fn print(published: &Published, json: bool) {
    let Published { kind, name, id, version, change } = published;
    if json {
        report::json_line(&json!({ "kind": kind, "name": name, "id": id, "version": version, "change": change }));
        return;
    }
    let which = if change == "created" { String::new() } else { format!(" (version {version})") };
    report::line(format!("{kind:<9} {name}: {change}{which}"));
}
